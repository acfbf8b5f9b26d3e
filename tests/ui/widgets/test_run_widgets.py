"""Each other widget of the run's screens, mounted alone."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from textual.widgets import Static

from cockpit.protocol import events as ev
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.state import RunState
from cockpit.ui.widgets.alarm_bar import AlarmBar
from cockpit.ui.widgets.engine_gauge import EngineGauge
from cockpit.ui.widgets.gpu_list import GpuList
from cockpit.ui.widgets.now_panel import NowPanel, rows_of
from cockpit.ui.widgets.outcome_card import OutcomeCard, outcome_of
from cockpit.ui.widgets.panel_tabs import PanelTabs
from cockpit.ui.widgets.phase_bar import PhaseBar, phase_figures
from cockpit.ui.widgets.run_line import RunLine
from cockpit.ui.widgets.run_panel import RunPanel
from cockpit.ui.widgets.vram_gauge import VramGauge
from tests.recording import RECIPE, Ending, record
from tests.ui.drawn import HOSTILE, SHOWN, all_text, plain, state_of, steps_to, text_of
from tests.ui.stage import Stage
from tests.ui.waiting import until


def reading(**changes: object) -> ev.GpuReading:
    given = {"index": 0, "uuid": "GPU-0", "name": "NVIDIA H200", "vram_total_mib": 143_360.0} | changes
    return ev.GpuReading(**given)  # type: ignore[arg-type]


async def test_vram_gauge() -> None:
    gauge = VramGauge()
    async with Stage(widgets=[gauge]).run_test(size=(46, 5)) as pilot:
        gauge.show([reading(vram_used_mib=7065.6, vram_this_run_mib=6860.8, utilization_percent=97, power_w=540)])
        await pilot.pause()
        vram, shares, use = text_of(gauge)
        assert vram.startswith("VRAM ▓") and vram.endswith("6.9/140 GiB") and "▒" in vram and "░" in vram
        assert shares.strip() == "this run 6.7 · others 0.2 · free 133"
        assert use.endswith("97 %   – °C  540 W")
        assert str(gauge.border_title) == "GPU 0 · H200"
        gauge.show([reading(name=HOSTILE)])
        await pilot.pause()
        assert "this run – · others – · free –" in all_text(gauge)
        assert plain(gauge.border_title) == f"GPU 0 · {SHOWN}"


async def test_who_else_holds_memory_and_what_slows_gpus_down_is_told() -> None:
    gauge, several = VramGauge(), GpuList()
    jupyter = ev.Holder(pid=7, name=HOSTILE, mib=2048)
    one = reading(vram_used_mib=7065.6, vram_this_run_mib=5017.6, others=(jupyter,), slowed_by=("heat", "power cap"))
    async with Stage(widgets=[gauge, several]).run_test(size=(90, 12)) as pilot:
        gauge.show([one], 70_000)
        rest = [reading(index=index, uuid=f"GPU-{index}") for index in (1, 2)]
        several.show([one, *rest], {"GPU-0": 70_000})
        await pilot.pause()
        assert f"others 2.0 ({SHOWN} 2.0)" in text_of(gauge)[1]
        assert text_of(gauge)[0].endswith("6.9 peak 68.4 of 140 GiB") and "┃" in text_of(gauge)[0]
        assert plain(gauge.border_subtitle) == "▲ slowed by heat; power cap"
        assert plain(several.border_subtitle) == "▲ slowed by 0: heat; 0: power cap"
        first, second = text_of(several)[1:3]
        assert first.endswith("▲") and second.split()[0] == "1" and second.split()[-5:] == ["–/140", "–", "–", "–", "–"]
        calm = msgspec.structs.replace(one, slowed_by=())
        several.show([calm, *rest], {})
        assert plain(several.border_subtitle) == f"others 0: {SHOWN} 2.0"


async def test_engine_gauge() -> None:
    gauge = EngineGauge()
    async with Stage(widgets=[gauge]).run_test(size=(46, 5)) as pilot:
        await until(pilot, lambda: "not been measured" in all_text(gauge))
        machine = ev.MachineRead(
            step=1, gpus=[], cpu_percent=187, rss_mib=1229, ram_used_mib=3174, ram_total_mib=16_384
        )
        gauge.show([machine, machine])
        await pilot.pause()
        cpu, ram, shares = text_of(gauge)
        assert cpu.endswith("1.9 cores busy")
        assert ram.endswith("3.1/16.0 GiB")
        assert shares.strip() == "engine 1.2 · others 1.9 · free 12.9"


async def test_now_panel_knows_nothing_then_all(tmp_path: Path) -> None:
    panel = NowPanel()
    async with Stage(widgets=[panel]).run_test(size=(46, 12)) as pilot:
        assert all(line.endswith("–") for line in text_of(panel) if line)
        panel.show(state_of(record(tmp_path, until=300)))
        await pilot.pause()
        rows = {line[:14].strip(): line[14:].split() for line in text_of(panel)}
        assert rows["held-out loss"][-2:] == ["was", "0.4542"]
        assert rows["learning rate"] == ["7.02e-7"]
        assert rows["tokens/s"][1:] == ["46", "%", "trained"]
        assert rows["epoch"] == ["4.01", "of", "4.01"]
        assert rows["adapter"] == ["saved", "793", "KiB"]


async def test_now_panel_leaves_out_what_matters_least_where_there_is_little_room(tmp_path: Path) -> None:
    panel, state = NowPanel(), state_of(record(tmp_path, until=130, gpus=1))
    for at, joules in ((1, 0.0), (2, 7200.0)):
        gpu = reading(energy_j=joules)
        state.machine_use.take(
            ev.MachineRead(step=0, gpus=[gpu], cpu_percent=0, rss_mib=1, ram_used_mib=1, ram_total_mib=1, at=at)
        )
    async with Stage(widgets=[panel]).run_test(size=(60, 12)) as pilot:
        panel.show(state)
        await pilot.pause()
        told = {line[:14].strip(): line[14:].split() for line in text_of(panel)}
        assert told["energy"][:2] == ["2.0", "Wh"] and float(told["samples/s"][0]) > 50
        panel.styles.height = 8
        spared = ("energy", "samples/s", "  lowest")
        await until(pilot, lambda: not any(line.startswith(spared) for line in text_of(panel)))
        assert {"loss", "held-out loss", "adapter"} <= {line[:14].strip() for line in text_of(panel)}
        panel.styles.height = "auto"
        await until(pilot, lambda: len(text_of(panel)) == len(told))


@pytest.mark.parametrize(("step", "words"), [(0, "at the start"), (26, "at step 26")])
async def test_now_panel_says_when_the_only_held_out_loss_was_measured(step: int, words: str) -> None:
    panel, state = NowPanel(), steps_to(30, 2.0)
    state.apply(ev.Evaluated(step=step, duration_s=0.4, metrics={"eval_loss": 5.704}))
    async with Stage(widgets=[panel]).run_test(size=(44, 12)) as pilot:
        panel.show(state)
        await pilot.pause()
        assert any("5.704" in line and line.rstrip().endswith(words) for line in text_of(panel))


async def test_now_panel_says_that_a_loss_is_no_number() -> None:
    panel = NowPanel()
    async with Stage(widgets=[panel]).run_test(size=(46, 12)) as pilot:
        state = steps_to(3)
        metrics = dict.fromkeys(("loss", "grad_norm", "learning_rate", "tokens_seen", "trained_tokens"))
        state.apply(ev.StepEnded(step=4, total_steps=9, epoch=1, step_time_s=1, at=4, metrics=metrics))
        state.apply(ev.Evaluated(step=0, duration_s=1, metrics={"eval_loss": 5.0}))
        state.apply(ev.Evaluated(step=4, duration_s=1, metrics={"eval_loss": None}))
        panel.show(state)
        await pilot.pause()
        told = {line[:14].strip(): line[14:].split() for line in text_of(panel)}
        assert told["loss"] == ["NaN", "█▃▁×"]
        assert told["held-out loss"][0] == told["grad norm"][0] == told["learning rate"][0] == "NaN"
        assert told["lowest"][0] == "5.000"
        assert told["tokens/s"] == ["–"]


async def test_run_panel_tells_what_is_trained(tmp_path: Path) -> None:
    panel = RunPanel()
    document = RecipeDocument.parse(RECIPE.replace("embedded:pirate", '"[red]rows.jsonl"'), "x.yaml")
    async with Stage(widgets=[panel]).run_test(size=(46, 14)) as pilot:
        panel.show(document.recipe(), state_of(record(tmp_path, until=5, ending="going")))
        await pilot.pause()
        text = all_text(panel.query_one(Static))
        for fact in (
            "embedded:demo",
            "rank 16 · alpha 16",
            "197 k of 1.84 M weights",
            "[red]rows.jsonl",
            "1,196 · 64 held out",
        ):
            assert fact in text
        assert "3 left out · 2 cut short" in text and "unsloth 2026.10.9" in text and "pid 4711" in text


BEFORE = [("importing", "importing"), ("loading_model", "loading model"), ("preparing_data", "preparing data")]


@pytest.mark.parametrize(("phase", "name"), [*BEFORE, ("compiling", "compiling")])
async def test_phase_bar_before_the_first_step(tmp_path: Path, phase: ev.Phase, name: str) -> None:
    bar, state = PhaseBar(), state_of(record(tmp_path, before=phase))
    assert state.phase is not None
    async with Stage(widgets=[bar]).run_test(size=(160, 2)) as pilot:
        bar.show(state, state.phase.at + 12, "running")
        await pilot.pause()
        (line, *_) = text_of(bar)
        assert f"● {name}" in line and "12 s" in line and "○ training" in line
        if phase == "preparing_data":
            assert "353/1,260 rows" in line and "━" in line
        if phase != "importing":
            assert "✓ importing 21 s" in line


async def test_phase_bar_tells_a_download_and_leaves_it_out_where_there_was_none() -> None:
    bar, state = PhaseBar(), RunState()
    state.apply(ev.PhaseStarted(phase="downloading", at=100))
    for at, done in ((101, 0), (111, 40 * 2**20)):
        state.apply(ev.PhaseProgressed(phase="downloading", done=done, total=100 * 2**20, unit="B", at=at))
    async with Stage(widgets=[bar]).run_test(size=(160, 2)) as pilot:
        bar.show(state, 112, "running")
        await pilot.pause()
        assert "● downloading 40 MiB/100 MiB, 4.0 MiB/s, 15 s left 12 s" in text_of(bar)[0]
    state.apply(ev.PhaseStarted(phase="loading_model", at=126))
    assert [figure.phase for figure in phase_figures(state, 127) if figure.is_over] == ["importing", "downloading"]
    assert "downloading" not in [figure.phase for figure in phase_figures(RunState(), 0)]


async def test_phase_bar_while_training_fills_the_room_with_its_bar(tmp_path: Path) -> None:
    bar, state = PhaseBar(), state_of(record(tmp_path, until=150, ending="going"))
    assert state.phase is not None
    for width in (80, 120, 200):
        async with Stage(widgets=[bar]).run_test(size=(width, 2)) as pilot:
            bar.show(state, state.phase.at + 1, "running")
            await pilot.pause()
            (line, *_) = text_of(bar)
            assert "50 %" in line and line.count("━") in (line.count("─"), line.count("─") - 1)
            assert len(line) <= width


@pytest.mark.parametrize(
    ("ending", "sign"), [("failed", "✗"), ("out_of_memory", "✗"), ("lost", "✗"), ("stopped", "✓"), ("completed", "✓")]
)
def test_phase_bar_when_the_run_is_over(tmp_path: Path, ending: Ending, sign: str) -> None:
    state = state_of(record(tmp_path, until=20, ending=ending))
    figures = {figure.phase: figure for figure in phase_figures(state, 9e9, ending)}  # type: ignore[arg-type]
    assert figures["training"].broke is (sign == "✗")
    assert not figures["training"].is_present
    assert figures["ready"].is_present is (sign == "✓")
    unloaded = phase_figures(state, 9e9, ending, is_loaded=False)  # type: ignore[arg-type]
    assert not unloaded[-1].is_present


def test_measuring_the_held_out_rows_counts_as_training(tmp_path: Path) -> None:
    state = state_of(record(tmp_path, until=20, ending="going"))
    state.apply(ev.PhaseStarted(phase="evaluating", at=9e9))
    figures = {figure.phase: figure for figure in phase_figures(state, 9e9 + 1)}
    assert figures["training"].is_present and figures["training"].detail == "measuring the held-out rows"


def test_saving_a_checkpoint_is_no_end_of_the_training(tmp_path: Path) -> None:
    state = state_of(record(tmp_path, until=20, ending="going"))
    state.apply(ev.PhaseStarted(phase="saving", detail="checkpoint 20", at=9e9))
    figures = {figure.phase: figure for figure in phase_figures(state, 9e9 + 1)}
    assert figures["training"].is_present and figures["training"].detail == "saving checkpoint 20"
    state.apply(ev.PhaseStarted(phase="training", at=9e9 + 2))
    assert not any(figure.is_over for figure in phase_figures(state, 9e9 + 3) if figure.phase == "saving")
    state.apply(ev.PhaseStarted(phase="saving", detail="the adapter", at=9e9 + 4))
    figures = {figure.phase: figure for figure in phase_figures(state, 9e9 + 5)}
    assert figures["training"].is_over and figures["saving"].is_present


def test_the_held_out_loss_tells_the_one_before_and_the_lowest() -> None:
    state, shown = RunState(), []
    for step, loss in ((0, 9.0), (5, 4.0), (10, 6.0), (15, 5.0)):
        state.apply(ev.Evaluated(step=step, duration_s=0.1, metrics={"eval_loss": loss}))
        rows = {row.label.strip(): row for row in rows_of(state)}
        lowest = rows.get("lowest")
        shown.append((rows["held-out loss"].note, lowest and (lowest.value, lowest.note)))
    assert shown[0] == ("at the start", None)
    assert shown[1] == ("was 9.000", ("4.000", "after step 5"))
    assert shown[3] == ("was 6.000", ("4.000", "after step 5"))


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (140, "demo · 1120-2349  ● training  step 126/300 42 %  loss 0.5258 ↓  held-out 0.6581 ↓  "
              "VRAM 6.9 peak 6.9 of 140 GiB"),
        (104, "demo · 1120-2349  ● training  126/300 42 %  loss 0.5258 ↓  ◆ 0.6581 ↓  VRAM 6.9/140 GiB"),
        (80, "● training  126/300 42 %  loss 0.526 ↓  ◆ 0.658 ↓  VRAM 6.9/140 GiB"),
        (60, "● training  126/300 42 %  loss 0.526 ↓"),
    ],
)  # fmt: skip
async def test_the_run_line_says_it_all_in_what_room_there_is(tmp_path: Path, width: int, said: str) -> None:
    line, state = RunLine(), state_of(record(tmp_path, until=126, ending="going", gpus=1))
    async with Stage(widgets=[line]).run_test(size=(width, 2)) as pilot:
        line.show("demo-1120-2349", "running", state)
        await pilot.pause()
        (text, *_) = text_of(line)
        facts, _, eta = text.strip().rpartition("ETA ")
        assert facts.rstrip() == said and eta.startswith("41 s" if width < 140 else "41 s ± ")
        assert len(text) <= width


async def test_the_run_line_turns_while_a_watchdog_speaks() -> None:
    line, state = RunLine(), steps_to(30)
    fired = ev.WatchdogFired(watchdog="loss_diverging", step=30, action="warn", finding="It rises.")
    async with Stage(widgets=[line]).run_test(size=(100, 2)) as pilot:
        for action, level in (("warn", "warning"), ("pause", "error")):
            state.apply(msgspec.structs.replace(fired, action=action))
            line.show("demo-1120-2349", "running", state)
            await pilot.pause()
            assert line.has_class(f"-{level}") and "▲ starting" in text_of(line)[0]
        state.apply(ev.WatchdogCleared(watchdog="loss_diverging", step=31))
        line.show("demo-1120-2349", "running", state, "stopping: finishing the step")
        await pilot.pause()
        assert not line.has_class("-warning", "-error") and "● stopping: finishing the step" in text_of(line)[0]
        line.show(HOSTILE, "lost", RunState())
        await pilot.pause()
        assert text_of(line)[0].strip() == f"{SHOWN}  ? lost" and line.has_class("-error")


async def test_of_many_alarms_the_worst_are_shown() -> None:
    bar = AlarmBar()
    names = {"loss_nan": "warn", "overfitting": "pause", "stalled": "warn", HOSTILE: "warn"}
    alarms = {
        name: ev.WatchdogFired(watchdog=name, step=1, action=action, finding=f"Found {name}.")  # type: ignore[arg-type]
        for name, action in names.items()
    }
    async with Stage(widgets=[bar]).run_test(size=(60, 4)) as pilot:
        bar.show(alarms)
        await until(pilot, lambda: "▲ loss nan  Found loss_nan." in text_of(bar))
        assert text_of(bar)[1].startswith("▲ overfitting  Found") and text_of(bar)[1].endswith("2 more, w read")
        bar.show({HOSTILE: alarms[HOSTILE]})
        await until(pilot, lambda: text_of(bar)[0].startswith(f"▲ {SHOWN}"))
        bar.show({})
        assert not bar.display


@pytest.mark.parametrize(
    ("ending", "kind", "words"),
    [
        ("completed", "good", ["✓ completed", "20 steps in", "loss 3.335", "held-out loss", "adapter", "793 KiB"]),
        ("stopped", "warning", ["stopped after step 20 of 300", "adapter"]),
        ("failed", "bad", ["✗ failed at step 21", "has no answer", "try", "engine.log"]),
        ("out_of_memory", "bad", ["✗ out of memory at step 21", "79.2 GiB", "max_seq_length", "engine.log"]),
        ("lost", "bad", ["✗ lost after step 20", "gone", "engine.log"]),
        ("silent", "warning", ["! silent", "here", "30 s", "engine.log"]),
    ],
)
async def test_outcome_card(tmp_path: Path, ending: Ending, kind: str, words: list[str]) -> None:
    run = record(tmp_path, until=20, ending=ending)
    card = OutcomeCard()
    async with Stage(widgets=[card]).run_test(size=(100, 12)) as pilot:
        shows = [card.display]
        card.show(outcome_of(ending, state_of(run), run))  # type: ignore[arg-type]
        await pilot.pause()
        shows.append(card.display)
        assert card.has_class(f"-{kind}")
        text = f"{card.border_title}\n{card.content}".replace("\n", " ")
        assert all(word in text for word in words if word != "held-out loss")
        card.show(None)
        await pilot.pause()
        assert [*shows, card.display] == [False, True, False]


def test_the_card_of_a_run_that_kept_its_best_checkpoint_tells_that_loss_and_why_it_ended(tmp_path: Path) -> None:
    run = record(tmp_path, until=20, ending="going")
    state = state_of(run)
    for step, loss in ((10, 2.5), (20, 7.5)):
        state.apply(ev.Evaluated(step=step, duration_s=0.1, metrics={"eval_loss": loss}))
    state.apply(ev.AdapterSaved(path="adapter", size_bytes=1024, step=10))
    state.apply(ev.RunEnded(outcome="completed", step=20, reason="eval_loss got no better in 2 evaluations."))
    outcome = outcome_of("completed", state, run)
    assert outcome is not None
    text = "\n".join(" ".join(line) for line in outcome.lines)
    assert "2.500" in text and "7.500" not in text
    assert "ended after 20 of 300 steps, as eval_loss got no better in 2 evaluations." in text
    assert "best the adapter is that of step 10, not the last one" in text


def test_the_card_of_a_run_whose_loss_became_no_number_says_so(tmp_path: Path) -> None:
    run = record(tmp_path, steps=60)
    state = state_of(run)
    state.apply(ev.StepEnded(step=60, total_steps=60, epoch=1, step_time_s=1, metrics={"loss": None}))
    state.apply(ev.Evaluated(step=60, duration_s=1, metrics={"eval_loss": None}))
    card = outcome_of("completed", state, run)
    assert card is not None
    assert card.lines[0][1].count("→ NaN") == 2


def test_the_card_of_a_stopped_run_tells_of_which_step_its_model_is(tmp_path: Path) -> None:
    run = record(tmp_path, until=20, ending="going")
    state = state_of(run)
    state.apply(ev.AdapterSaved(path="model", size_bytes=1024, step=10))
    state.apply(ev.RunEnded(outcome="stopped", step=20))
    outcome = outcome_of("stopped", state, run)
    assert outcome is not None
    assert ("best", "the model is that of step 10, not the last one") in outcome.lines


def test_outcome_card_has_nothing_to_say_of_a_run_that_goes_its_way(tmp_path: Path) -> None:
    run = record(tmp_path, until=20, ending="going")
    assert outcome_of("running", state_of(run), run) is None
    assert outcome_of("starting", RunState(), run) is None
    slow = outcome_of("starting", RunState(), run, is_slow_to_start=True)
    assert slow is not None and slow.ways[-1].text.startswith("engine.log")


async def test_outcome_card_shows_reasons_literally(tmp_path: Path) -> None:
    run = record(tmp_path, until=20, ending="failed", reason=HOSTILE)
    card = OutcomeCard()
    async with Stage(widgets=[card]).run_test(size=(100, 12)) as pilot:
        card.show(outcome_of("failed", state_of(run), run))
        await pilot.pause()
        assert SHOWN in all_text(card) and "\x1b" not in all_text(card)


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (60, " 1 now   2 learning rate   3 log ! "),
        (32, " 1 now   2 learning   3 log ! "),
        (30, " 1 now   2   3 ! "),
    ],
)
async def test_panels_that_do_not_fit_have_shorter_names(width: int, row: str) -> None:
    tabs = PanelTabs(("now", "learning rate", "log"))
    async with Stage(widgets=[tabs]).run_test(size=(width, 3)) as pilot:
        tabs.mark(2, "!")
        await pilot.pause()
        assert text_of(tabs) == [row.rstrip()]
        tabs.active = 1
        await pilot.pause()
        assert "2 learning rate" in text_of(tabs)[0], "the one that shows has its whole name"


async def test_panel_tabs_are_clicked() -> None:
    tabs, chosen = PanelTabs(("now", "learning rate", "log")), []

    class Clicked(Stage):
        def on_panel_tabs_chosen(self, message: PanelTabs.Chosen) -> None:
            chosen.append(message.index)

    async with Clicked(widgets=[tabs]).run_test(size=(60, 3)) as pilot:
        for column in (3, 15, 30, 50):
            await pilot.click(tabs, offset=(column, 0))
            await asyncio.sleep(0)
        await pilot.pause()
        assert chosen == [0, 1, 2]
