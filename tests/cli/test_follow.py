import io
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.cli.follow import Interrupts, follow, tell_ways_on
from cockpit.cli.report import JsonReport, LineReport, LiveReport
from cockpit.cli.train import end_engine
from cockpit.launch.engines import EngineKey, StartedEngine
from cockpit.paths import runs_folder
from cockpit.protocol import event_lines
from cockpit.protocol import events as ev
from cockpit.protocol.commands import AnyCommand, Stop
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink
from cockpit.runs.liveness import Liveness
from tests.recording import record
from tests.runs.complete_checkpoint import write_checkpoint

STARTED = ev.RunStarted(
    run_id="demo-1", recipe_name="demo", command=[], versions={}, gpus=[], driver="", data_sha256={}
)
PLANNED = ev.TrainingPlanned(total_steps=2, steps_per_epoch=1, trainable_parameters=10, total_parameters=1000)
LONG = "x" * 300
"""Longer than a file's name may be."""
COMPLETED = ev.RunEnded(outcome="completed", step=2)


def step(number: int) -> ev.StepEnded:
    metrics = {"loss": 1.5, "learning_rate": 2e-4, "grad_norm": 0.5, "tokens_seen": 100.0 * number}
    return ev.StepEnded(step=number, total_steps=2, epoch=number / 2, step_time_s=0.5, metrics=metrics)


CtrlC = Literal["ctrl-c"]


class FakeLink:
    """Hands out one batch a poll; a "ctrl-c" among the events is the person's."""

    run = RunDir(Path("demo-1"))
    is_behind = False

    def __init__(self, batches: Sequence[Sequence[ev.AnyEvent | CtrlC]], liveness: Liveness = "alive") -> None:
        self._batches = list(batches)
        self._liveness = liveness
        self.sent: list[AnyCommand] = []
        self.interrupts = Interrupts()

    def poll(self) -> list[ev.AnyEvent]:
        batch = self._batches.pop(0) if self._batches else []
        self.interrupts.count += batch.count("ctrl-c")
        return [event for event in batch if event != "ctrl-c"]

    def send(self, command: AnyCommand) -> None:
        self.sent.append(command)

    def liveness(self) -> Liveness:
        return self._liveness if not self._batches else "alive"

    def silence_s(self) -> float:
        return 0.0

    def close(self) -> None:
        pass


def told(link: FakeLink) -> tuple[int, str]:
    out = io.StringIO()
    return follow(link, LineReport(out), interrupts=link.interrupts), out.getvalue()


@pytest.mark.parametrize(
    ("outcome", "status"), [("completed", 0), ("stopped", 130), ("failed", 1), ("out_of_memory", 1)]
)
def test_the_exit_status_says_how_it_ended(outcome: ev.Outcome, status: int) -> None:
    ended = ev.RunEnded(outcome=outcome, step=1, reason="The reason.", advice="The advice.")
    got, text = told(FakeLink([[STARTED, PLANNED, step(1)], [ended]]))
    assert got == status
    assert "after step 1: The reason. The advice." in text


def test_lines_are_clean() -> None:
    hostile = ev.LogWritten(level="warning", text="\x1b[31m[red]a\nb")
    _, text = told(FakeLink([[STARTED, PLANNED, step(1), hostile, step(2), COMPLETED]]))
    assert "\x1b" not in text
    assert "warning: [red]a b" in text
    assert "step 1/2  loss 1.500  lr 2.00e-4  grad norm 0.5000  – tokens/s" in text
    assert "step 2/2" in text and "200 tokens/s" in text
    assert len(text.splitlines()) == 6


def test_an_older_end_is_not_the_end_of_a_resumed_run() -> None:
    stopped = ev.RunEnded(outcome="stopped", step=1)
    third: list[ev.AnyEvent] = [STARTED, step(2), COMPLETED]
    second = [msgspec.structs.replace(event, attempt=2) for event in third]
    status, text = told(FakeLink([[STARTED, step(1), stopped, *second]]))
    assert status == 0
    assert "Training was stopped after step 1" in text
    assert text.splitlines()[-1].endswith("Training is complete after step 2")
    out = io.StringIO()
    assert follow(FakeLink([[STARTED, step(1), stopped], second]), LineReport(out), attempt=2) == 0
    assert "stopped" not in out.getvalue() and "Training is complete after step 2" in out.getvalue()


def test_an_engine_that_is_gone_is_said_to_be_gone() -> None:
    status, text = told(FakeLink([[STARTED, step(1)]], liveness="lost"))
    assert status == 1
    assert "The engine has gone without ending the run, at step 1; its log: demo-1/engine.log" in text


def test_what_can_be_done_with_a_run_that_has_ended(tmp_path: Path) -> None:
    def told_of(status: int) -> list[str]:
        out = io.StringIO()
        tell_ways_on(run, LineReport(out), status)
        return out.getvalue().splitlines()

    run = RunDir.create(tmp_path / "demo-1")
    assert told_of(1) == []
    write_checkpoint(run.checkpoints, 5)
    assert [line.partition("  ")[2] or line for line in told_of(130)] == [
        "Resume from its newest checkpoint with: cockpit resume demo-1"
    ]
    assert told_of(0) == []
    run.adapter.mkdir()
    (run.adapter / "adapter_config.json").write_text("{}")
    assert told_of(0)[0].endswith(f"The adapter is in {run.adapter}; ask it with: cockpit chat demo-1 -p QUESTION")


def test_attach_tells_how_to_go_on_with_a_stopped_run() -> None:
    run = record(runs_folder(), ending="stopped", steps=8, until=5)
    write_checkpoint(run.checkpoints, 5)
    shown = CliRunner().invoke(cockpit, ["attach", run.id])
    assert shown.exit_code == 130
    assert shown.output.splitlines()[-1].endswith(f"Resume from its newest checkpoint with: cockpit resume {run.id}")


def test_what_a_dead_engine_wrote_last_is_read_before_it_is_called_gone() -> None:
    assert told(FakeLink([[STARTED], [step(1)], [COMPLETED]], liveness="lost"))[0] == 0


def test_the_first_interrupt_saves_and_the_second_drops() -> None:
    stopped = ev.RunEnded(outcome="stopped", step=1)
    training = ev.PhaseStarted(phase="training")
    link = FakeLink([[STARTED, training], ["ctrl-c"], [step(1)], ["ctrl-c"], [stopped]])
    status, text = told(link)
    assert status == 130
    assert [(type(command), command.save) for command in link.sent if isinstance(command, Stop)] == [
        (Stop, True),
        (Stop, False),
    ]
    assert "Stopping. The step in hand is finished, what was trained is saved" in text
    assert "Ctrl-C again drops the step and saves nothing." in text


@pytest.mark.parametrize("phase", ["importing", "downloading", "loading_model", "preparing_data"])
def test_an_interrupt_before_the_first_step_promises_nothing(phase: ev.Phase) -> None:
    stopped = ev.RunEnded(outcome="stopped", step=0)
    status, text = told(FakeLink([[STARTED, ev.PhaseStarted(phase=phase)], ["ctrl-c"], [stopped]]))
    assert status == 130
    assert "Stopping. No step has been taken yet: the run ends, and nothing is saved." in text
    assert "checkpoint" not in text


def test_an_interrupt_is_for_one_attempt() -> None:
    stopped = ev.RunEnded(outcome="stopped", step=1)
    again = ev.EngineStarted(pid=2, host="h", backend="unsloth", attempt=2)
    resumed: list[ev.AnyEvent] = [again, msgspec.structs.replace(STARTED, attempt=2)]
    ended = msgspec.structs.replace(stopped, attempt=2)
    link = FakeLink([[STARTED], ["ctrl-c"], [stopped, *resumed], ["ctrl-c"], [ended]])
    assert told(link)[0] == 130
    assert [command.save for command in link.sent if isinstance(command, Stop)] == [True, True]


def test_a_stop_is_told_whoever_has_asked_for_it() -> None:
    phase, stop = ev.PhaseStarted(phase="training"), ev.StopRequested(save=True, command_id="another's")
    events: list[ev.AnyEvent] = [STARTED, PLANNED, phase, step(1), stop, ev.StopRequested(save=False)]
    out = io.StringIO()
    follow(FakeLink([[*events, ev.RunEnded(outcome="stopped", step=1)]]), LiveReport(out))
    drawn = [piece.split("\n")[0] for piece in out.getvalue().split("\r\x1b[K")]
    assert [piece.partition("step 1/2")[0] for piece in drawn if "step 1/2" in piece] == [
        "",
        "stopping  ",
        "dropping the step  ",
    ]
    assert any(piece.endswith("A stop was requested") for piece in drawn)
    assert any(piece.endswith("A stop without saving was requested") for piece in drawn)


def test_json_is_the_log_itself() -> None:
    out = io.StringIO()
    events: list[ev.AnyEvent] = [STARTED, step(1), COMPLETED]
    assert follow(FakeLink([events]), JsonReport(out)) == 0
    assert [event_lines.decode(line.encode()) for line in out.getvalue().splitlines()] == events


def test_the_live_line_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    out = io.StringIO()
    phase = ev.PhaseStarted(phase="training")
    follow(FakeLink([[STARTED, PLANNED, phase, step(1), step(2), COMPLETED]]), LiveReport(out))
    drawn = [piece.split("\n")[0] for piece in out.getvalue().split("\r\x1b[K")]
    assert any(piece.startswith("step 1/2") for piece in drawn)
    assert all(len(piece) < 30 for piece in drawn if piece.startswith("step "))


def test_a_loss_that_is_no_number_is_told_as_such() -> None:
    broken = msgspec.structs.replace(step(2), metrics={"loss": None, "learning_rate": 1e-4, "tokens_seen": 200.0})
    measured = ev.Evaluated(step=2, duration_s=1, metrics={"eval_loss": None})
    out = io.StringIO()
    follow(FakeLink([[STARTED, PLANNED, step(1), broken, measured, COMPLETED]]), LineReport(out))
    assert "step 2/2  loss NaN  lr 1.00e-4" in out.getvalue()
    assert "Held-out loss NaN after step 2" in out.getvalue()


def test_json_escapes_what_a_terminal_would_act_on() -> None:
    out = io.StringIO()
    hostile = ev.LogWritten(level="info", text="\x9b31m\u202e\x7f\x1b[2J é 🦜")
    follow(FakeLink([[STARTED, hostile, COMPLETED]]), JsonReport(out))
    line = out.getvalue().splitlines()[1]
    assert not any(char in line for char in "\x9b\u202e\x7f\x1b")
    assert event_lines.decode(line.encode()) == hostile


def test_what_gives_no_sign_of_life_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunDir, "silence_s", lambda run: 60.0)
    link = FakeLink([[STARTED], [], [], [], [COMPLETED]], liveness="silent")
    link.liveness = lambda: "silent"  # type: ignore[method-assign]
    status, text = told(link)
    assert status == 0
    assert text.count("gives no sign of life") == 1


def test_what_gives_no_sign_of_life_for_minutes_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunDir, "silence_s", lambda run: 600.0)
    status, text = told(FakeLink([[STARTED], [step(1)]], liveness="silent"))
    assert status == 1
    assert (
        "no sign of life for 10 m 00 s, at step 1; if it has ended, resume with: cockpit resume demo-1 --force" in text
    )


def test_an_engine_that_cannot_be_asked_to_stop_is_followed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(command: AnyCommand) -> None:
        raise OSError(28, "No space left on device")

    link = FakeLink([[STARTED], ["ctrl-c"], [step(1)], [COMPLETED]])
    monkeypatch.setattr(link, "send", full)
    status, text = told(link)
    assert status == 0
    assert "The engine could not be asked: No space left on device." in text


def test_an_engine_that_cannot_be_asked_to_go_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when the run has ended: the command ends without a traceback."""
    process = subprocess.Popen(["true"])
    run = RunDir.create(runs_folder() / "demo-1")
    (run.commands).rmdir()
    monkeypatch.setattr(process, "poll", lambda: None)
    end_engine(StartedEngine(EngineKey("unsloth", "none"), RunLink(run), process))
    assert process.returncode == 0


def test_a_question_that_cannot_be_written_is_said_in_a_sentence() -> None:
    run = record(runs_folder(), run_id="demo-1")
    run.commands.rmdir()
    result = CliRunner().invoke(cockpit, ["chat", "demo-1", "-p", "hi"])
    assert (result.exit_code, result.stderr) == (1, "The question could not be put: No such file or directory.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chat", LONG, "-p", "hi"], "No run is called"),
        (["chat", f"./{LONG}", "-p", "hi"], "There is no folder"),
        (["chat", "demo-1", "-p", "hi", "--image", LONG], "There is no picture"),
        (["train", LONG], "there is no recipe of this name"),
        (["recipes", "show", LONG], "there is no recipe of this name"),
        (["recipes", "check", LONG], "there is no recipe of this name"),
    ],
)
def test_a_name_that_no_file_can_have_is_refused_in_a_sentence(arguments: list[str], said: str) -> None:
    record(runs_folder(), run_id="demo-1")
    result = CliRunner().invoke(cockpit, arguments)
    assert result.exit_code == 2
    assert said in result.stderr and len(result.stderr.splitlines()) == 1
