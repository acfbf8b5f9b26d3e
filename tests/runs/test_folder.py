import json
import os
import stat
import subprocess
import sys
import time
from math import isnan
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from cockpit.protocol import event_lines
from cockpit.protocol import events as ev
from cockpit.protocol.commands import AnyCommand, Stop, Train, UnreadableCommand, encode
from cockpit.protocol.event_log import EventWriter
from cockpit.runs.folder import RunDir, all_runs, find_run, new_run_id, why_unwritable
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.state import RunState
from cockpit.runs.summary import RunSummary


def make_run(run_id: str, started_at: float = 0.0) -> RunDir:
    run = RunDir.create(runs_folder() / run_id)
    run.recipe.write_text("schema: 1\n")
    os.utime(run.recipe, (started_at, started_at))
    return run


def test_only_the_owner_may_look_inside() -> None:
    assert stat.S_IMODE(make_run("demo-1").path.stat().st_mode) == 0o700


def test_commands_are_taken_once_in_their_order() -> None:
    run = make_run("demo-1")
    sent: list[AnyCommand] = [Train(id="a", run_id="demo-1", command=["x"]), Stop(id="b"), Stop(id="c", save=False)]
    for command in sent:
        run.send(command)
    (run.commands / "0-broken.json").write_text("{")
    broken, *taken = run.take_commands()
    assert (broken.id, taken) == ("broken", sent)
    assert run.take_commands() == []
    assert list(run.commands.iterdir()) == []


def test_ids_are_fit_for_folders_and_never_taken_twice() -> None:
    first = new_run_id("My \x1b[31mrecipe/../x", now=0)
    assert first.startswith("my-recipe-..-x-0101-")
    assert "/" not in first
    make_run(first)
    assert new_run_id("My recipe/../x", now=0) == f"{first}-2"
    assert new_run_id("///", now=0).startswith("run-")


def test_find_run_takes_an_id_its_beginning_or_last() -> None:
    make_run("demo-1121-0101", started_at=100)
    make_run("demo-1121-0202", started_at=200)
    make_run("qwen-1121-0101", started_at=50)
    assert [run.id for run in all_runs()] == ["demo-1121-0202", "demo-1121-0101", "qwen-1121-0101"]
    assert find_run("last").id == "demo-1121-0202"
    assert find_run("q").id == "qwen-1121-0101"
    assert find_run("demo-1121-01").id == "demo-1121-0101"
    with pytest.raises(LookupError, match="Several runs begin with 'demo': demo-1121-0202, demo-1121-0101"):
        find_run("demo")
    with pytest.raises(LookupError, match="No run is called 'gemma'"):
        find_run("gemma")
    with pytest.raises(LookupError, match="No run is called ''"):
        find_run("")


def test_an_empty_name_is_not_the_beginning_of_the_only_run() -> None:
    make_run("demo-1121-0101", started_at=100)
    with pytest.raises(LookupError, match="No run is called ''"):
        find_run("")


def test_without_runs_it_says_how_to_make_one() -> None:
    with pytest.raises(LookupError, match="cockpit train demo"):
        find_run("last")


def test_liveness_of_a_process_on_this_boot() -> None:
    run = make_run("demo-1")
    assert run.liveness() == "starting"
    run.write_identity(EngineIdentity.of_this_process("unsloth"))
    assert run.liveness() == "alive"
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    mine = EngineIdentity.of_this_process("unsloth")
    run.write_identity(msgspec.structs.replace(mine, pid=child.pid, started=mine.started - 60))
    assert run.liveness() == "lost", "another process has the pid: the start time tells"
    child.kill()
    child.wait()
    assert run.liveness() == "lost"


def log_of(run: RunDir, steps: int) -> EventWriter:
    writer = EventWriter(run.events)
    writer.append(ev.EngineStarted(pid=1, host="h", backend="unsloth"))
    started = ev.RunStarted(
        run_id=run.id, recipe_name="demo", command=[], versions={}, gpus=[], driver="", data_sha256={}
    )
    writer.append(started)
    writer.append(ev.TrainingPlanned(total_steps=steps, steps_per_epoch=1, trainable_parameters=1, total_parameters=1))
    for number in range(1, steps + 1):
        metrics = {"loss": 5.0 - number / steps}
        writer.append(ev.StepEnded(step=number, total_steps=steps, epoch=0, step_time_s=1, metrics=metrics))
    return writer


@pytest.mark.parametrize("steps", [3, 20_000])
def test_a_summary_reads_long_logs_at_both_ends(steps: int) -> None:
    run = make_run("demo-1")
    writer = log_of(run, steps)
    running = RunSummary.of(run)
    assert (running.state, running.step, running.total_steps) == ("starting", steps, steps)
    writer.append(ev.Evaluated(step=steps, duration_s=1, metrics={"eval_loss": 0.5}))
    writer.append(ev.RunEnded(outcome="completed", step=steps))
    summary = RunSummary.of(run)
    assert (summary.recipe_name, summary.state, summary.step, summary.loss) == ("demo", "completed", steps, 4.0)
    assert summary.eval_loss == 0.5
    assert len(summary.course) == min(steps, 40)


def test_a_summary_forgets_evaluations_that_a_later_attempt_has_gone_back_behind() -> None:
    run = make_run("demo-1")
    writer = log_of(run, 9)
    for step in (0, 4, 9):
        writer.append(ev.Evaluated(step=step, duration_s=1, metrics={"eval_loss": 9.0 - step}))
    writer.append(ev.TrainingResumed(step=5, path="checkpoints/checkpoint-5"))
    assert (RunSummary.of(run).step, RunSummary.of(run).eval_loss) == (5, 5.0)


def test_a_summary_tells_the_held_out_loss_of_the_weights_that_were_saved() -> None:
    run = make_run("demo-1")
    writer = log_of(run, 9)
    for step, loss in ((3, 5.6), (6, 6.1), (9, 6.5)):
        writer.append(ev.Evaluated(step=step, duration_s=1, metrics={"eval_loss": loss}))
    assert RunSummary.of(run).eval_loss == 6.5
    writer.append(ev.AdapterSaved(path="adapter", size_bytes=1, step=3))
    assert RunSummary.of(run).eval_loss == 5.6
    writer.append(ev.TrainingResumed(step=6, path="checkpoints/checkpoint-6"))
    assert RunSummary.of(run).eval_loss == 6.1


def test_a_summary_tells_what_the_state_of_the_run_tells() -> None:
    run = make_run("demo-1")
    log_of(run, 9)
    go_on(run, 9, 7)
    state = RunState()
    for event in event_lines.decode_lines(run.events.read_bytes()):
        state.apply(event)
    summary = RunSummary.of(run)
    assert (summary.step, summary.total_steps) == (state.step, state.total_steps) == (7, 9)
    assert list(summary.course) == state.steps.metrics["loss"]


def go_on(run: RunDir, total: int, until: int) -> None:
    """A second attempt, up to a step in its middle."""
    writer = EventWriter(run.events, attempt=2)
    first = ev.RunStarted(
        run_id=run.id, recipe_name="demo", command=[], versions={}, gpus=[], driver="", data_sha256={}
    )
    writer.append(first)
    writer.append(ev.TrainingResumed(step=3, path="checkpoints/checkpoint-3"))
    writer.append(ev.TrainingPlanned(total_steps=total, steps_per_epoch=1, trainable_parameters=1, total_parameters=1))
    for number in range(4, until + 1):
        writer.append(ev.StepEnded(step=number, total_steps=total, epoch=0, step_time_s=1, metrics={"loss": 1.0}))


@pytest.mark.parametrize("total", [6, 20_000], ids=["short", "long"])
def test_a_resumed_run_counts_its_attempts_and_began_with_the_first(
    total: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("demo-1")
    monkeypatch.setattr("cockpit.protocol.event_log.time.time", lambda: 100.0)
    log_of(run, 3).append(ev.RunEnded(outcome="completed", step=3))
    once = RunSummary.of(run)
    assert (once.attempts, once.started_at, once.state) == (1, 100.0, "completed")
    monkeypatch.setattr("cockpit.protocol.event_log.time.time", lambda: 5000.0)
    go_on(run, total, total - 1)
    twice = RunSummary.of(run)
    assert (twice.attempts, twice.started_at) == (2, 100.0)
    assert (twice.state, twice.step, twice.total_steps) == ("starting", total - 1, total)


def test_the_list_of_runs_tells_attempts_only_where_there_are_several() -> None:
    make_run("demo-1", started_at=100)
    once, twice = make_run("demo-2", started_at=200), make_run("demo-3", started_at=300)
    log_of(once, 3)
    log_of(twice, 3)
    assert "attempts" not in CliRunner().invoke(cockpit, ["runs"]).stdout
    go_on(twice, 6, 6)
    told = CliRunner().invoke(cockpit, ["runs"]).stdout
    assert [line.split()[0] for line in told.splitlines()] == ["run", "demo-3", "demo-2", "demo-1"]
    ends = [line[told.index("attempts") :].strip() for line in told.splitlines()]
    assert ends == ["attempts", "2", "", ""]
    listed = json.loads(CliRunner().invoke(cockpit, ["runs", "--json"]).stdout)
    assert [one["attempts"] for one in listed] == [2, 1, 1]
    assert [one["started_at"] for one in listed] == [RunSummary.of(run).started_at for run in all_runs()]


def test_a_loss_that_is_no_number_is_told_as_such_by_the_list_of_runs() -> None:
    run = make_run("demo-1")
    writer = log_of(run, 2)
    writer.append(ev.Evaluated(step=2, duration_s=1, metrics={"eval_loss": None}))
    writer.append(ev.StepEnded(step=3, total_steps=3, epoch=0, step_time_s=1, metrics={"loss": None}))
    (row,) = CliRunner().invoke(cockpit, ["runs"]).stdout.splitlines()[1:]
    assert row.split().count("NaN") == 2
    (listed,) = json.loads(CliRunner().invoke(cockpit, ["runs", "--json"]).stdout)
    assert (listed["loss"], listed["eval_loss"], listed["step"]) == (None, None, 3)
    losses = RunSummary.of(run).course
    assert (len(losses), isnan(losses[-1])) == (3, True)


def test_a_summary_of_an_empty_run_knows_nothing() -> None:
    summary = RunSummary.of(make_run("demo-1", started_at=7.0))
    assert (summary.state, summary.step, summary.loss, summary.total_steps) == ("starting", 0, None, None)
    assert summary.started_at == 7.0


def test_a_dead_engine_leaves_a_lost_run() -> None:
    run = make_run("demo-1")
    log_of(run, 3)
    run.write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("unsloth"), started=1.0))
    assert RunSummary.of(run).state == "lost"


def test_a_file_that_is_no_command_keeps_no_other_from_being_taken() -> None:
    run = make_run("demo-1")
    run.send(Stop(id="b"))
    (run.commands / "zz.json").write_bytes(b'{"type":"Stop","id":"\xe9"}')
    (run.commands / "0.json").write_bytes(b"\xff")
    assert [command.id for command in run.take_commands()] == ["0", "b", "zz"]


def test_a_command_that_is_too_long_is_refused_by_the_sender_and_by_the_engine() -> None:
    run = make_run("demo-1")
    long = Train(id="long", run_id="x" * (9 << 20), command=[])
    with pytest.raises(OSError, match="longer than the 8 MiB"):
        run.send(long)
    (run.commands / "1-long.json").write_bytes(encode(long))
    (refused,) = run.take_commands()
    assert isinstance(refused, UnreadableCommand)
    assert (refused.id, refused.why) == ("long", "The file '1-long' holds no command: it is longer than 8 MiB.")
    assert list(run.commands.iterdir()) == []


def test_a_heartbeat_that_fails_leaves_no_file_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, times: object) -> None:
        raise PermissionError

    run = make_run("demo-1")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr("cockpit.runs.folder.os.utime", refuse)
        for _ in range(3):
            with pytest.raises(PermissionError):
                run.touch_heartbeat()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("content", "found", "why"),
    [
        (b'{"type":"Juggle","id":"c7","for_s":3}', ("c7", "Juggle"), "does not know the command 'Juggle'"),
        (b'{"type":"Train","id":"c7"}', ("c7", "Train"), "'Train' cannot be read: Object missing required field"),
        (b'{"type":"Stop","id":7}', ("7-b", "Stop"), "'Stop' cannot be read: Expected `str`, got `int` - at `$.id`."),
        (b'{"type":"Stop"}', ("7-b", "Stop"), "missing required field `id`"),
        (b'{"id":"c7"}', ("c7", ""), "missing required field `type`"),
        (b'{"type":"\\u001b[31m","id":"c7"}', ("c7", "\x1b[31m"), r"the command '\x1b[31m';"),
        (b"", ("7-b", ""), "it is not a JSON object."),
        (b"[]", ("7-b", ""), "it is not a JSON object."),
        (b"\xff", ("7-b", ""), "it is not a JSON object."),
        (b'{"a":' * 100_000, ("7-b", ""), "it is not a JSON object."),
    ],
    ids=range(10),
)
def test_what_is_known_of_a_file_that_is_no_command(content: bytes, found: tuple[str, str], why: str) -> None:
    run = make_run("demo-1")
    (run.commands / "12-7-b.json").write_bytes(content)
    (command,) = run.take_commands()
    assert isinstance(command, UnreadableCommand)
    assert (command.id, command.type) == found
    assert why in command.why
    assert command.why.endswith(".")


def test_a_command_files_name_that_is_no_text_gives_an_id_that_a_log_can_hold() -> None:
    run = make_run("demo-1")
    (run.commands / os.fsdecode(b"12-\xff.json")).write_bytes(b"")
    (command,) = run.take_commands()
    assert command.id == "\ufffd"


def test_a_summary_looks_behind_a_long_evaluation_and_many_chats() -> None:
    run = make_run("demo-1")
    writer = log_of(run, 500)
    for number in range(2000):
        writer.append(ev.PhaseProgressed(phase="evaluating", done=number, total=2000, unit="rows"))
    writer.append(ev.RunEnded(outcome="completed", step=500))
    for _ in range(1000):
        writer.append(ev.EngineStarted(pid=1, host="h", backend="unsloth"))
        writer.append(ev.EngineExited(reason="idle"))
    summary = RunSummary.of(run)
    assert (summary.state, summary.step, summary.total_steps, summary.loss) == ("completed", 500, 500, 4.0)


def test_a_home_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_HOME", "/proc/nope")
    with pytest.raises(OSError) as caught:
        RunDir.create(runs_folder() / "one")
    assert why_unwritable(caught.value) == (
        "Runs cannot be written to /proc/nope (No such file or directory); set COCKPIT_HOME to a folder with room that "
        "you may write to."
    )


@pytest.mark.parametrize("columns", ["30", "80", "200"])
def test_the_list_of_runs_is_whole_at_any_width(columns: str) -> None:
    long = make_run("a-recipe-with-a-name-that-says-it-all-1121-2040")
    log_of(long, 3).append(ev.RunEnded(outcome="completed", step=3))
    go_on(long, 6, 6)
    told = CliRunner().invoke(cockpit, ["runs"], env={"COLUMNS": columns}).stdout.splitlines()
    assert told[0].split() == ["run", "state", "step", "loss", "started", "attempts"]
    assert [line.split()[0] for line in told[1:]] == [long.id]
    assert told[1].split()[1:3] == ["starting", "6/6"]


def test_a_command_that_cannot_be_taken_keeps_no_other_from_being_taken() -> None:
    """A folder stands for a file that the file system gives an error for."""
    run = RunDir.create(runs_folder() / "demo-1")
    (run.commands / f"{0:020d}-out-of-reach.json").mkdir()
    run.send(Stop(id="a"))
    assert run.take_commands() == [Stop(id="a")]
    assert run.take_commands() == []


def test_only_commands_from_before_are_stale(tmp_path: Path) -> None:
    run = RunDir.create(runs_folder() / "demo-1")
    run.send(Stop(id="old"))
    (old,) = run.commands.iterdir()
    others = [run.commands / name for name in ("2024-06-budget.json", "7.json", f"{0:020d}-x.txt")]
    for path in others:
        path.write_text("kept")
    (run.commands / f"{0:020d}-out-of-reach.json").mkdir()
    assert run.take_stale_commands(int(old.name[:20]) / 1e9 - 1) == []
    assert old.exists()
    assert run.take_stale_commands(time.time() + 1) == [Stop(id="old")]
    assert not old.exists()
    assert [path.read_text() for path in others] == ["kept"] * 3


@pytest.mark.parametrize("commands", ["linked", "absent", "a file"])
def test_nothing_is_taken_where_the_commands_are_no_folder_of_the_run(tmp_path: Path, commands: str) -> None:
    run = RunDir.create(runs_folder() / "demo-1")
    run.commands.rmdir()
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "2024-06-budget.json").write_text("kept")
    (documents / f"{0:020d}-x.json").write_text("kept")
    if commands == "linked":
        run.commands.symlink_to(documents)
    elif commands == "a file":
        run.commands.write_text("")
    assert run.take_stale_commands(time.time()) == []
    assert len(list(documents.iterdir())) == 2
