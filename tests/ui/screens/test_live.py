"""The live screen: what it shows while events come, how it ends, which keys work, how it lies."""

from pathlib import Path

import pytest
from textual.screen import Screen
from textual.selection import SELECT_ALL
from textual.widget import Widget

from cockpit.protocol import events as ev
from cockpit.runs.folder import RunDir
from cockpit.runs.labels import PHASES
from cockpit.runs.link import ReplayLink, RunLink
from cockpit.ui.runs.session import RunSession
from cockpit.ui.screens import live
from cockpit.ui.screens.help import keys_of
from cockpit.ui.screens.live import LiveScreen
from cockpit.ui.screens.run_panels import layout_for
from cockpit.ui.widgets.engine_gauge import EngineGauge
from cockpit.ui.widgets.log_pane import LogPane
from cockpit.ui.widgets.loss_chart import LossChart
from cockpit.ui.widgets.outcome_card import OutcomeCard
from cockpit.ui.widgets.phase_bar import PhaseBar
from cockpit.ui.widgets.run_line import RunLine
from cockpit.ui.widgets.run_schedule import RunSchedule
from cockpit.ui.widgets.schedule_chart import ScheduleChart
from cockpit.ui.widgets.vram_gauge import VramGauge
from tests.recording import BEGAN, RECIPE, Ending, record
from tests.ui.drawn import all_text, plain, text_of
from tests.ui.engines import FakeLink, is_at
from tests.ui.live_screen import card, keys, line, stage
from tests.ui.stage import NOW, Stage, fed, recorded, session_of
from tests.ui.waiting import resized, until

SIZES = [(80, 24), (120, 40), (200, 50), (100, 60), (90, 50), (60, 20)]


async def test_a_run_from_its_first_event_to_its_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event of a run, one after the other, each drawn."""
    monkeypatch.setattr(live, "POLL_EVERY_S", 0.005)
    run = record(tmp_path, steps=30)
    link, events = FakeLink(run), recorded(run)
    seen: list[str] = []
    async with stage(session_of(link)).run_test(size=(120, 40)) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, LiveScreen)
        for event in events:
            link.events.append(event)
            await until(pilot, lambda: not link.events)
            bar = screen.query_one(PhaseBar).render().plain
            present = bar.partition("● ")[2]
            seen += [
                short
                for long, short, _ in PHASES.values()
                if present.startswith((long, f"{short} ")) and short not in seen
            ]
        await pilot.pause()
        assert seen == ["import", "model", "data", "compile", "train", "save", "chat"]
        assert "completed" in line(pilot) and "30/30" in line(pilot)
        assert "30 steps in" in card(pilot)
        assert "◆" in "".join(segment.text for y in range(10) for segment in screen.query_one(LossChart).render_line(y))


class LongLink(FakeLink):
    """Has more to read, however much was read."""

    def poll(self) -> list[ev.AnyEvent]:
        self.polls += 1
        self.is_behind = True
        return [ev.LogWritten(level="info", text="more", at=NOW)]


async def test_what_comes_late_finds_no_panels_on_a_screen_that_goes(tmp_path: Path) -> None:
    """As Textual removes one: it is no longer displayed, and its panels may go before what waits for a frame."""
    link, passed = LongLink(RunDir(tmp_path / "run")), []
    async with stage(session_of(link)).run_test(size=(120, 40)) as pilot:
        screen = pilot.app.screen
        polls = link.polls
        await until(pilot, lambda: link.polls > polls)  # what was read waits for its frames, the rest to be read
        screen.display = False
        await screen.query("*").remove()
        polls = link.polls
        screen.set_timer(2 * live.POLL_EVERY_S, lambda: passed.append(True))
        await until(pilot, lambda: passed)
        assert link.polls == polls


async def test_the_planned_schedule_stands_before_the_first_step(tmp_path: Path) -> None:
    run = record(tmp_path, before="preparing_data")
    async with stage(session_of(RunLink(run))).run_test(size=(120, 40)) as pilot:
        chart = pilot.app.screen.query_one(ScheduleChart)
        await until(pilot, lambda: " 300" in all_text(chart))
        assert "┃" not in all_text(chart)


@pytest.mark.parametrize(
    ("ending", "word", "on_card"),
    [
        ("completed", "completed", "adapter"),
        ("stopped", "stopped", "adapter"),
        ("failed", "failed", "has no answer"),
        ("out_of_memory", "out of memory", "halve the batch"),
        ("lost", "lost", "engine.log"),
        ("silent", "silent", "Silent for"),
        ("going", "training", ""),
    ],
)
async def test_every_ending(tmp_path: Path, ending: Ending, word: str, on_card: str) -> None:
    run = record(tmp_path, until=40, ending=ending, gpus=1)
    for size in ((80, 24), (120, 40)):
        async with stage(session_of(RunLink(run))).run_test(size=size) as pilot:
            await until(pilot, lambda: word in line(pilot) and "40/300" in line(pilot))
            await until(pilot, lambda: on_card in card(pilot))
            chart = pilot.app.screen.query_one(LossChart)
            assert chart.content_size.height >= 7, "six rows of plot and the steps under it"
            shown = keys(pilot)
            assert ("s" in shown) is (ending in ("going", "silent"))
            meaning = {"completed": "chat", "stopped": "chat", "going": "checkpoint", "silent": "checkpoint"}
            assert shown.get("c") == meaning.get(ending)


async def test_gauges_follow_the_number_of_gpus(tmp_path: Path) -> None:
    run = record(tmp_path, until=5, ending="going", gpus=2)
    link = fed(run)
    async with stage(session_of(link)).run_test(size=(120, 40)) as pilot:
        screen = pilot.app.screen
        await until(pilot, lambda: len(screen.query(VramGauge)) == 2)
        assert not screen.query_one(EngineGauge).display
        machine = ev.MachineRead(step=9, gpus=[], cpu_percent=50, rss_mib=1, ram_used_mib=2, ram_total_mib=3)
        link.events = [machine]
        await until(pilot, lambda: not screen.query(VramGauge))
        assert screen.query_one(EngineGauge).display


async def test_the_schedules_title_counts_the_warm_up_of_a_ratio(tmp_path: Path) -> None:
    recipe = RECIPE.replace("warmup_steps: 15", "warmup_ratio: 0.1")
    link = RunLink(record(tmp_path, until=5, ending="going"))
    async with stage(session_of(link, recipe=recipe)).run_test(size=(120, 40)) as pilot:
        chart = pilot.app.screen.query_one(ScheduleChart)
        await until(pilot, lambda: "30 warm-up steps" in str(chart.border_title))


@pytest.mark.parametrize("saves", [True, False])
async def test_chat_opens_by_itself_after_a_stop_that_has_saved(tmp_path: Path, saves: bool) -> None:
    run = record(tmp_path, until=20, ending="stopped")
    link = FakeLink(run)
    link.events = [event for event in recorded(run) if saves or not isinstance(event, ev.AdapterSaved)]
    app = stage(session_of(link, now=BEGAN))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: card(pilot))
        await until(pilot, lambda: app.asked or not saves)
        assert app.asked == (["chat"] if saves else [])


async def test_chat_opens_by_itself_when_the_run_completes(tmp_path: Path) -> None:
    run = record(tmp_path, steps=30)
    link, events = FakeLink(run), recorded(run)
    app = stage(session_of(link, now=BEGAN))
    async with app.run_test(size=(120, 40)) as pilot:
        link.events = events[:-1]
        await until(pilot, lambda: "completed" in line(pilot))
        assert app.asked == []
        link.events = events[-1:]
        await until(pilot, lambda: app.asked)
        await pilot.pause(0.3)
        assert app.asked == ["chat"]


async def test_chat_waits_until_no_key_is_pressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "QUIET_S", 3600.0)
    run = record(tmp_path, steps=30)
    link, events = FakeLink(run), recorded(run)
    app = stage(session_of(link, now=BEGAN))
    async with app.run_test(size=(80, 24)) as pilot:
        link.events = events[:-3]
        await until(pilot, lambda: "2" in keys(pilot))
        await pilot.press("2")
        link.events = events[-3:]
        await until(pilot, lambda: pilot.app.screen.query_one(OutcomeCard).display)
        await until(pilot, lambda: "c" in keys(pilot))
        assert app.asked == []
        monkeypatch.setattr(live, "QUIET_S", 0.0)
        await until(pilot, lambda: app.asked == ["chat"])


async def test_chat_waits_until_a_dialog_was_closed_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "QUIET_S", 3600.0)
    run = record(tmp_path, steps=30)
    link, events = FakeLink(run), recorded(run)
    app = stage(session_of(link, now=BEGAN))
    async with app.run_test(size=(120, 40)) as pilot:
        link.events = events[:-3]
        await until(pilot, lambda: "s" in keys(pilot))
        assert isinstance(app.screen, LiveScreen)
        app.screen.action_stop()  # by a key that was pressed long before
        await until(pilot, lambda: is_at(app, "Dialog"))
        link.events = events[-3:]
        await until(pilot, lambda: app.screen_stack[-2].query_one(OutcomeCard).display)
        app.screen.dismiss(None)
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        polls = link.polls
        await until(pilot, lambda: link.polls > polls + 1)
        assert app.asked == []
        monkeypatch.setattr(live, "QUIET_S", 0.0)
        await until(pilot, lambda: app.asked == ["chat"])
        assert not link.sent


@pytest.mark.parametrize("ending", ["completed", "stopped", "failed"])
async def test_chat_does_not_open_by_itself_for_a_run_that_was_over(tmp_path: Path, ending: Ending) -> None:
    app = stage(session_of(RunLink(record(tmp_path, until=30, ending=ending)), now=BEGAN + 9999))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: card(pilot))
        await pilot.pause(0.3)
        assert app.asked == []
        if ending != "failed":
            await pilot.press("c")
            assert app.asked == ["chat"]


async def test_log_scale_and_back(tmp_path: Path) -> None:
    async with stage(session_of(RunLink(record(tmp_path)))).run_test(size=(120, 40)) as pilot:
        chart = pilot.app.screen.query_one(LossChart)
        await until(pilot, lambda: "300/300" in line(pilot))
        await pilot.press("l")
        assert chart.log_scale and "log scale" in str(chart.border_title)
        await pilot.press("l")
        assert not chart.log_scale


async def test_charts_are_zoomed_panned_and_read_with_keys_and_mouse(tmp_path: Path) -> None:
    run = record(tmp_path, until=126, ending="going")
    async with stage(session_of(RunLink(run))).run_test(size=(120, 40)) as pilot:
        loss, rate = pilot.app.screen.query_one(LossChart), pilot.app.screen.query_one(RunSchedule)
        await until(pilot, lambda: "126/300" in line(pilot))
        assert "plus" not in keys(pilot) and keys(pilot)["z"] == "zoom"
        await pilot.press("z")
        assert plain(loss.border_subtitle).startswith("step 126 · loss ")
        assert plain(rate.border_subtitle).startswith("step 126 · planned 1.23e-4 · used 1.23e-4")
        await pilot.press("left", "left", "plus")
        step, shown = loss.window.cursor, (loss.window.first, loss.window.last)
        assert step is not None and step < 126 and shown[1] - shown[0] == 150
        assert plain(loss.border_title) == f"loss · steps {shown[0]} to {shown[1]} of 300"
        await pilot.press("shift+right", "end")
        assert loss.window.cursor == 126 and loss.window.first > shown[0]
        await pilot.press("0", "y", "l")
        assert plain(loss.border_title) == "loss · log scale · outliers shown"
        await pilot.click(rate, offset=(9, 3))
        assert rate.has_focus and loss.window.cursor == rate.window.cursor and 0 < (rate.window.cursor or 0) < 20
        named = {key for shown, _, _ in keys_of(pilot.app.screen) for key in shown.split(", ")}
        assert {"←", "→", "+", "-", "0", "shift+←", "y", "l", "z"} <= named, "F1 shows them"
        await pilot.press("z")
        assert pilot.app.focused is None and loss.window.cursor is None


async def test_escape_goes_back_and_leaves_the_run_alone(tmp_path: Path) -> None:
    link = fed(record(tmp_path, until=20, ending="going"))
    app = stage(session_of(link))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("escape")
        assert app.asked == ["recipes"] and not link.sent


def overlap(one: Widget, other: Widget) -> bool:
    return bool(one.region.intersection(other.region))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ending", ["going", "completed", "failed"])
async def test_panels_never_overlap_nor_leave_the_screen(tmp_path: Path, size: tuple[int, int], ending: Ending) -> None:
    run = record(tmp_path, until=100, ending=ending, gpus=1)
    async with stage(session_of(RunLink(run))).run_test(size=size) as pilot:
        screen = pilot.app.screen
        await until(pilot, lambda: "100/300" in line(pilot) or size[0] < 80)
        panels = [panel for panel in screen.query(".pane") if panel.is_on_screen and panel.region.area]
        assert len(panels) >= 2
        for at, panel in enumerate(panels):
            assert not any(overlap(panel, other) for other in panels[at + 1 :])
            assert panel.region.x >= 0 and panel.region.right <= size[0]


def test_layouts() -> None:
    assert [layout_for(*size) for size in SIZES] == ["tabbed", "grid", "grid", "grid", "stacked", "tabbed"]


async def test_panels_behind_tabs_are_reached_by_number_and_by_mouse(tmp_path: Path) -> None:
    async with stage(session_of(RunLink(record(tmp_path)))).run_test(size=(80, 24)) as pilot:
        screen = pilot.app.screen
        schedule, log = screen.query_one(ScheduleChart), screen.query_one(LogPane)
        assert not schedule.display or not schedule.region.area
        await pilot.press("2")
        await until(pilot, lambda: schedule.region.height >= 9)
        await pilot.press("3")
        await until(pilot, lambda: log.region.height >= 8 and not schedule.region.area)
        await pilot.click("PanelTabs", offset=(3, 0))
        await until(pilot, lambda: not log.region.area)
        await resized(pilot, 120, 40)
        await until(pilot, lambda: log.region.area and schedule.region.area)
        assert "2" not in keys(pilot)


async def test_the_log_shows_its_end_where_it_was_unveiled_beneath_another_screen(tmp_path: Path) -> None:
    link = fed(record(tmp_path, steps=30))
    screen = LiveScreen(session_of(link))
    async with Stage(lambda: screen).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: screen.query(RunLine) and "completed" in text_of(screen.query_one(RunLine))[0])
        await pilot.app.push_screen(Screen())
        await pilot.pause()
        screen.show_log()
        await pilot.pause()
        link.events += [ev.ExportProgressed(export_id="1", task=f"task {number}") for number in range(12)]
        pilot.app.pop_screen()
        await until(pilot, lambda: text_of(screen.query_one(LogPane))[-1].endswith("task 11"))


async def test_a_replay_is_shown_and_cannot_be_stopped(tmp_path: Path) -> None:
    run = record(tmp_path, steps=30)
    session = session_of(RunLink(run))
    replayed = RunSession(ReplayLink(run, speed=1e9), session.recipe, session.document)
    async with stage(replayed).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "completed" in line(pilot))
        assert "s" not in keys(pilot)


async def test_what_others_wrote_is_shown_literally(tmp_path: Path) -> None:
    hostile = "\x1b[2J[bold red]row[/]\x1b]52;c;evil\x07 of [link=x]file[/link]"
    run = record(tmp_path, until=20, ending="failed", reason=hostile)
    async with stage(session_of(RunLink(run))).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: card(pilot))
        shown = "[bold red]row[/] of [link=x]file[/link]"
        assert shown in card(pilot)
        pane = pilot.app.screen.query_one(LogPane)
        await until(pilot, lambda: shown in (pane.get_selection(SELECT_ALL) or ("",))[0])
        picture = pilot.app.export_screenshot()
        assert "\x1b" not in picture and "evil" not in picture


def test_the_key_for_rows_is_there_where_the_run_keeps_their_losses(tmp_path: Path) -> None:
    run = record(tmp_path, steps=30)
    plain_stack = RECIPE.replace("training:\n", "backend: transformers\ntraining:\n  gradient_checkpointing: none\n")
    for output, is_there in (("", False), ("output: {row_losses: true}\n", True)):
        session = session_of(fed(run), recipe=plain_stack + output)
        session.poll()
        assert LiveScreen(session).check_action("data", ()) is is_there
