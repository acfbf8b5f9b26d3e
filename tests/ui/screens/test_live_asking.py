"""What is asked of a run on the live screen: stops, controls, what they promise, and refusals."""

from pathlib import Path

import pytest
from textual.widgets import Static

from cockpit.protocol import commands as cmd
from cockpit.protocol import events as ev
from cockpit.protocol.commands import Stop
from cockpit.runs.folder import RunDir
from cockpit.ui.screens.dialog import Dialog
from cockpit.ui.widgets.alarm_bar import AlarmBar
from tests.recording import record
from tests.ui.engines import FakeLink
from tests.ui.live_screen import card, keys, line, stage
from tests.ui.stage import NOW, fed, recorded, session_of
from tests.ui.waiting import until


async def test_stop_is_confirmed_sent_and_said(tmp_path: Path) -> None:
    run = record(tmp_path, until=20, ending="going")
    link = fed(run)
    async with stage(session_of(link)).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "training" in line(pilot))
        await pilot.press("s")
        assert isinstance(pilot.app.screen, Dialog)
        said = " ".join(str(static.content) for static in pilot.app.screen.query(Static))
        assert "The step in hand is finished" in said, "no number: the run goes on while the dialog is open"
        await pilot.press("escape")
        assert not link.sent
        await pilot.press("s", "enter")
        await until(pilot, lambda: "finishing the step" in line(pilot))
        assert [command.save for command in link.sent if isinstance(command, Stop)] == [True]
        assert keys(pilot)["s"] == "stop without saving"
        await pilot.press("s", "enter")
        await until(pilot, lambda: "dropping the step" in line(pilot))
        assert [command.save for command in link.sent if isinstance(command, Stop)] == [True, False]
        link.events = [ev.RunEnded(outcome="stopped", step=20, at=NOW), ev.PhaseStarted(phase="ready", at=NOW)]
        await until(pilot, lambda: "stopped" in line(pilot))
        assert "s" not in keys(pilot)


async def test_a_stop_that_another_app_asked_for_is_shown_and_what_was_confirmed_is_asked_for(tmp_path: Path) -> None:
    link = fed(record(tmp_path, until=20, ending="going"))
    async with stage(session_of(link)).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "training" in line(pilot))
        await pilot.press("s")
        link.events = [ev.StopRequested(save=True, command_id="another's", at=NOW)]
        await until(pilot, lambda: not link.events)
        await pilot.press("enter")
        await until(pilot, lambda: link.sent)
        assert [command.save for command in link.sent if isinstance(command, Stop)] == [True]
        await until(pilot, lambda: "stopping" in line(pilot))
        assert keys(pilot)["s"] == "stop without saving"
        link.events = [
            ev.RunEnded(outcome="stopped", step=20, at=NOW),
            ev.EngineStarted(pid=4712, host="here", backend="unsloth", attempt=2, at=NOW),
            ev.PhaseStarted(phase="importing", attempt=2, at=NOW),
        ]
        await until(pilot, lambda: "importing" in line(pilot))
        assert keys(pilot)["s"] == "stop"


@pytest.mark.parametrize(
    ("phase", "key", "said", "note", "hurry"),
    [
        ("importing", "stop", "nothing is saved", "stopping: nothing to save", "end the engine"),
        ("preparing_data", "stop", "nothing is saved", "stopping: nothing to save", "end the engine"),
        ("compiling", "stop and save", "The first step compiles", "stopping after the first step", "end the engine"),
    ],
)
async def test_a_stop_promises_what_the_phase_can_keep(
    tmp_path: Path, phase: ev.Phase, key: str, said: str, note: str, hurry: str
) -> None:
    run = record(tmp_path, until=0, ending="going")
    link = fed(run)
    link.events.append(ev.PhaseStarted(phase=phase, at=NOW))
    async with stage(session_of(link)).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: keys(pilot).get("s") == key)
        await pilot.press("s")
        text = " ".join(str(static.content) for static in pilot.app.screen.query(Static))
        assert said in text
        assert ("checkpoint is left" in text) is (key == "stop and save")
        await pilot.press("enter")
        await until(pilot, lambda: note in line(pilot))
        assert keys(pilot)["s"] == hurry


async def test_a_refused_stop_is_told(tmp_path: Path) -> None:
    link = fed(record(tmp_path, until=20, ending="going"))
    app = stage(session_of(link))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "training" in line(pilot))
        await pilot.press("s", "enter")
        answer = ev.CommandAnswered(
            command_id=link.sent[0].id, accepted=False, text="\x1b[1mIt is [b]over[/b] already."
        )
        link.events = [answer]
        await until(pilot, lambda: app.said)
        assert app.said == ["It is [b]over[/b] already."]
        assert "stopping" not in line(pilot)
        assert keys(pilot)["s"] == "stop and save"
        await pilot.press("s", "enter")
        assert [command.save for command in link.sent if isinstance(command, Stop)] == [True, True]


async def test_a_refused_start_is_told(tmp_path: Path) -> None:
    link = FakeLink(RunDir(tmp_path / "demo-1120-2349"))
    session = session_of(link)
    async with stage(session).run_test(size=(120, 40)) as pilot:
        link.events = [
            ev.EngineStarted(pid=4711, host="here", backend="unsloth"),
            ev.CommandAnswered(command_id="a", accepted=False, text="The folder [b]cannot[/b] be moved."),
        ]
        await until(pilot, lambda: card(pilot))
        assert "not started" in card(pilot) and "The folder [b]cannot[/b] be moved." in card(pilot)
        assert session.is_over
        assert "s" not in keys(pilot)


async def test_a_refusal_of_another_command_is_no_refusal_of_the_start(tmp_path: Path) -> None:
    link = FakeLink(RunDir(tmp_path / "demo-1120-2349"))
    session = session_of(link)
    async with stage(session).run_test(size=(120, 40)) as pilot:
        link.events = [
            ev.EngineStarted(pid=4711, host="here", backend="unsloth"),
            ev.PhaseStarted(phase="importing"),
            ev.CommandAnswered(command_id="a", accepted=False, text="No.", command="Pause"),
            ev.CommandAnswered(command_id="b", accepted=False, text="No.", command=""),
        ]
        await until(pilot, lambda: "importing" in line(pilot))
        assert session.refused_start is None and not session.is_over
        link.events = [ev.CommandAnswered(command_id="c", accepted=False, text="There is a run.", command="Train")]
        await until(pilot, lambda: "There is a run." in card(pilot))


async def test_a_stop_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    class FullDisk(FakeLink):
        def send(self, command: object) -> None:
            raise OSError("No space left on device")

    link = FullDisk(record(tmp_path, until=20, ending="going"))
    link.events = recorded(link.run)
    app = stage(session_of(link))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "training" in line(pilot))
        await pilot.press("s", "enter")
        await until(pilot, lambda: app.said)
        assert app.said == ["The run could not be asked: No space left on device"]


async def test_a_run_is_asked_by_keys(tmp_path: Path) -> None:
    """Each key is its command; what it means turns round once it was accepted."""
    run = record(tmp_path, ending="going", steps=300, until=126)
    link = fed(run)
    app = stage(session_of(link))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: keys(pilot).get("p") == "pause")
        await pilot.press("p", "c", "e")
        await until(pilot, lambda: len(link.sent) == 3)
        assert [type(command) for command in link.sent] == [cmd.Pause, cmd.SaveCheckpoint, cmd.Evaluate]
        assert keys(pilot).get("g") is None, "the recipe has no prompts"
        pause = link.sent[0]
        link.events.append(ev.CommandAnswered(command_id=pause.id, accepted=True, command="Pause", at=NOW))
        link.events.append(ev.PhaseStarted(phase="paused", detail="after step 126", at=NOW))
        await until(pilot, lambda: keys(pilot).get("p") == "go on" and "paused" in line(pilot))
        await pilot.press("p")
        await until(pilot, lambda: len(link.sent) == 4)
        assert isinstance(link.sent[3], cmd.Unpause)
        await pilot.press("f")
        await until(pilot, lambda: isinstance(pilot.app.screen, Dialog))
        await pilot.press("enter")
        await until(pilot, lambda: len(link.sent) == 5)
        assert isinstance(link.sent[4], cmd.ScaleLearningRate) and link.sent[4].factor == 0.5
        await pilot.press("m")
        await until(pilot, lambda: isinstance(pilot.app.screen, Dialog))
        await pilot.press("enter")
        await until(pilot, lambda: len(link.sent) == 6)
        assert isinstance(link.sent[5], cmd.AddSteps) and link.sent[5].steps == 30
        refusal = ev.CommandAnswered(command_id=link.sent[1].id, accepted=False, text="No.", command="SaveCheckpoint")
        link.events.append(refusal)
        await until(pilot, lambda: app.said == ["No."])


async def test_what_a_watchdog_has_found_is_shown_read_whole_and_acted_upon(tmp_path: Path) -> None:
    link = fed(record(tmp_path, until=20, ending="going"))
    async with stage(session_of(link)).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "training" in line(pilot))
        assert "w" not in keys(pilot)
        link.events = [
            ev.WatchdogFired(
                watchdog="loss_diverging", step=20, action="warn", finding="The loss is 14.1 after 5.6.",
                rule="It is 1.3 times the lowest.", advice="Lower the rate.",
            )
        ]  # fmt: skip
        bar = pilot.app.screen.query_one(AlarmBar)
        told = "▲ loss diverging  The loss is 14.1 after 5.6. Lower the rate."
        await until(pilot, lambda: bar.region.area and told in bar.render().plain)
        await pilot.click(AlarmBar)
        await until(pilot, lambda: isinstance(pilot.app.screen, Dialog))
        await pilot.press("escape", "w")
        await until(pilot, lambda: isinstance(pilot.app.screen, Dialog) and pilot.app.screen.query("#pause"))
        said = " ".join(str(static.content) for static in pilot.app.screen.query(Static))
        assert "rule  It is 1.3 times the lowest." in said and "try   Lower the rate." in said
        await pilot.click("#pause")
        await until(pilot, lambda: link.sent)
        assert isinstance(link.sent[0], cmd.Pause)
        link.events = [ev.WatchdogCleared(watchdog="loss_diverging", step=40)]
        await until(pilot, lambda: not bar.display)
        assert "w" not in keys(pilot)
