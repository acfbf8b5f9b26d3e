"""Links: a run read from its three logs, recordings, engines' keys and folders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.launch.engines import EngineKey, StartedEngine, start_chat_engine, start_standby
from cockpit.machine.gpu import GpuReport
from cockpit.paths import runs_folder, standby_folder
from cockpit.protocol.commands import Stop, Train
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import (
    AnyEvent,
    EngineExited,
    EngineStarted,
    GpuReading,
    LogWritten,
    MachineRead,
    PhaseStarted,
    ReplyGrew,
)
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir
from cockpit.runs.link import ReplayLink, RunLink
from cockpit.runs.liveness import EngineIdentity

STARTED = EngineStarted(pid=1, host="h", backend="unsloth")
READING = MachineRead(step=0, gpus=[], cpu_percent=1, rss_mib=1, ram_used_mib=1, ram_total_mib=1)


@pytest.fixture
def run() -> RunDir:
    return RunDir.create(runs_folder() / "one")


def write(path: Path, *events: AnyEvent) -> None:
    log = EventWriter(path)
    for event in events:
        log.append(event)
    log.close()


def test_a_run_is_read_from_its_three_logs_and_leased(run: RunDir) -> None:
    link = RunLink(run)
    assert link.poll() == []
    assert run.lease.is_file()
    write(run.events, STARTED)
    write(run.gpu, READING)
    write(run.chat, ReplyGrew(command_id="c", text="hi"))
    assert [type(event) for event in link.poll()] == [EngineStarted, MachineRead, ReplyGrew]
    assert link.poll() == []
    link.close()
    assert len(link.poll()) == 3


def said(path: Path, at: float, text: str) -> None:
    """Write a line of that time into a log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cockpit.protocol.event_log.time.time", lambda: at)
        write(path, LogWritten(level="info", text=text))


@pytest.mark.parametrize("read_bytes", [64, 250, 1 << 17])
def test_exports_are_told_in_their_time(run: RunDir, monkeypatch: pytest.MonkeyPatch, read_bytes: int) -> None:
    monkeypatch.setattr("cockpit.protocol.event_log.READ_BYTES", read_bytes)
    for at in (1, 2, 3, 6, 7, 8):
        said(run.events, at, "run")
    for at in (4, 5, 9):
        said(run.export, at, "export")
    link = RunLink(run)
    assert all_times(link) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    link.close()
    assert all_times(link) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    said(run.export, 10, "while it is looked at")
    assert all_times(link) == [10]


def all_times(link: RunLink) -> list[float]:
    """When each of the events was that are there to be read, in the order in which they are told."""
    return [event.at for _ in range(100) for event in link.poll()]


def test_an_engine_that_exited_may_be_followed_by_another(run: RunDir) -> None:
    run.write_identity(EngineIdentity.of_this_process("unsloth"))
    link = RunLink(run)
    write(run.events, STARTED, EngineExited(reason="done"))
    link.poll()
    assert link.liveness() == "exited"
    write(run.events, STARTED)
    link.poll()
    assert link.liveness() == "alive"


def test_a_run_that_nobody_may_write_to_can_be_read(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    write(run.events, STARTED)
    monkeypatch.setattr(Path, "touch", _refuse)
    assert len(RunLink(run).poll()) == 1


def test_a_link_follows_its_folder() -> None:
    here = RunDir.create(standby_folder() / "abc")
    link = RunLink(here)
    write(here.events, STARTED)
    assert len(link.poll()) == 1
    there = RunDir(runs_folder() / "moved")
    there.path.parent.mkdir(parents=True)
    here.path.rename(there.path)
    link.move_to(there)
    write(there.events, LogWritten(level="info", text="on"))
    write(there.gpu, READING)
    assert [type(event) for event in link.poll()] == [LogWritten, MachineRead]
    link.send(Stop(id="s"))
    assert [command.id for command in there.take_commands()] == ["s"]
    assert link.run == there


def test_train_writes_the_recipe_and_tells_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    started = StartedEngine(EngineKey("unsloth", "none"), RunLink(RunDir.create(standby_folder() / "abc")), None)  # type: ignore[arg-type]
    here = started.link.run
    run = started.train("schema: 1\n", "My Recipe", ["cockpit", "train"])
    assert here.recipe.read_text() == "schema: 1\n"
    (train,) = here.take_commands()
    assert isinstance(train, Train)
    assert (train.run_id, train.recipe_name, train.command) == (run.id, "My Recipe", ["cockpit", "train"])
    assert run.id.startswith("my-recipe-")
    assert started.link.run == run == RunDir(runs_folder() / run.id)


@pytest.mark.parametrize("resumes", [False, True])
def test_an_engine_that_cannot_be_given_its_run_is_ended(
    resumes: bool, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would hold the run's folder for two minutes, and the next one could not begin."""

    def full(run: RunDir, command: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunDir, "send", full)
    run.recipe.write_text("schema: 1\n")
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    started = StartedEngine(EngineKey("unsloth", "none"), RunLink(run), process)
    with pytest.raises(OSError, match="No space left"):
        (started.resume if resumes else started.train)("schema: 1\n", "demo", ["cockpit"])
    assert process.wait(60) == -15


def test_a_recording_plays_in_its_own_time_and_takes_no_commands(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("cockpit.protocol.event_log.time.time", lambda: now)
    log = EventWriter(run.events)
    for later in (0.0, 2.0, 1000.0):
        now += later
        log.append(PhaseStarted(phase="training"))
    monkeypatch.undo()
    clock = [50.0]
    monkeypatch.setattr("cockpit.runs.link.time.monotonic", lambda: clock[0])
    link = ReplayLink(run, speed=2.0, longest_pause_s=5.0)
    assert len(link.poll()) == 1
    clock[0] += 1.0
    assert len(link.poll()) == 1
    assert link.liveness() == "alive"
    clock[0] += 2.4
    assert link.poll() == []
    clock[0] += 0.2
    assert len(link.poll()) == 1
    assert link.liveness() == "exited"
    with pytest.raises(OSError, match="recording"):
        link.send(Stop(id="s"))


@pytest.mark.parametrize(
    ("key", "visible", "compiles"),
    [
        (EngineKey("unsloth", "none"), "", True),
        (EngineKey("unsloth", "driverless"), None, True),
        (EngineKey("unsloth", "GPU-1", compile=False), "GPU-1", False),
    ],
)
def test_a_key_settles_the_engines_environment(key: EngineKey, visible: str | None, compiles: bool) -> None:
    environment = key.environment()
    assert environment.get("CUDA_VISIBLE_DEVICES") == visible
    assert ("UNSLOTH_COMPILE_DISABLE" in environment) is not compiles
    assert environment["TOKENIZERS_PARALLELISM"] == "false"
    assert str(Path.cwd()) not in environment["UNSLOTH_COMPILE_LOCATION"]


def test_a_key_comes_from_the_recipe_and_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    recipe = Recipe.model_validate(
        {
            "schema": 1,
            "method": "sft",
            "about": {"title": "t", "description": "d", "needs": "CPU", "duration": "1 s"},
            "model": {"name_or_path": "m"},
            "hardware": {"gpu": "0", "compile": False},
            "data": {"sources": [{"name_or_path": "d"}]},
        }
    )
    report = GpuReport(gpus=[GpuReading(index=0, uuid="GPU-1", name="H200")])
    assert EngineKey.of(recipe, report) == EngineKey("unsloth", "GPU-1", compile=False)
    with pytest.raises(ValueError, match="no GPU 0"):
        EngineKey.of(recipe, GpuReport())


def test_a_run_without_an_adapter_cannot_be_chatted_with(run: RunDir) -> None:
    with pytest.raises(ValueError, match="no adapter"):
        start_chat_engine(run, EngineKey("unsloth", "none"))
    run.write_identity(EngineIdentity.of_this_process("unsloth"))
    with pytest.raises(ValueError, match="has an engine already"):
        start_chat_engine(run, EngineKey("unsloth", "none"))


def test_folders_of_lost_standbys_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    lost, alive, fresh = (RunDir.create(standby_folder() / name) for name in ("lost", "alive", "fresh"))
    ours = EngineIdentity.of_this_process("unsloth")
    alive.write_identity(ours)
    lost.write_identity(
        EngineIdentity(**{name: getattr(ours, name) for name in ours.__struct_fields__} | {"started": 1.0})
    )
    started = start_standby(EngineKey("unsloth", "none"))
    assert not lost.path.exists()
    assert alive.path.is_dir() and fresh.path.is_dir() and started.link.run.path.is_dir()
    started.dismiss()
    assert started.process.wait(60) == 0
    assert list(started.link.run.commands.iterdir()) == []


def _refuse(path: Path) -> None:
    raise OSError(30, "Read-only file system", str(path))
