"""cockpit train --resume-or-start: the same command again and again starts, goes on, waits for nobody, and is done."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.launch import engines
from cockpit.paths import runs_folder
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.library import find_recipe
from cockpit.runs.folder import RunDir
from cockpit.runs.job import Job
from cockpit.runs.liveness import TAKE_UP_AFTER_S, EngineIdentity
from tests.recording import Ending, record
from tests.runs.complete_checkpoint import write_checkpoint

RUN_ID = "demo-1120-2349"


class Reached(Exception):
    """An engine would be started: for a new run, or to go on with one."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(what: str) -> Callable[..., Any]:
        def start(*arguments: object, **options: object) -> None:
            name = arguments[0].id if isinstance(arguments[0], RunDir) else ""
            raise Reached(f"{what} {name}".strip())

        return start

    monkeypatch.setattr(engines, "start_engine", stop("new"))
    monkeypatch.setattr(engines, "start_resuming_engine", stop("goes on with"))


def earlier(ending: Ending, *settings: str, checkpoint: int | None = 40) -> RunDir:
    document: RecipeDocument = find_recipe("demo")
    for setting in settings:
        document.set_from_text(setting)
    run = record(runs_folder(), run_id=RUN_ID, ending=ending, until=None if ending == "completed" else 60)
    run.recipe.write_text(document.resolved_yaml())
    if ending != "going":  # its engine has gone
        run.write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("unsloth"), pid=2**22 + 1))
    if checkpoint is not None:
        write_checkpoint(run.checkpoints, checkpoint)
    return run


def run(*more: str) -> Result:
    return CliRunner().invoke(cockpit, ["train", "demo", "--resume-or-start", *more])


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize(
    ("ending", "checkpoint", "settings", "reached"),
    [
        ("stopped", 40, (), f"goes on with {RUN_ID}"),
        ("failed", 40, (), f"goes on with {RUN_ID}"),
        ("lost", 40, (), f"goes on with {RUN_ID}"),
        ("stopped", None, (), "new"),
        ("stopped", 40, ("lora.r=4",), "new"),
        ("stopped", 40, ("watchdogs.loss_nan=warn", "lifecycle.grace_s=60"), f"goes on with {RUN_ID}"),
    ],
)
def test_what_begins(
    ending: Ending, checkpoint: int | None, settings: tuple[str, ...], reached: str, tmp_path: Path
) -> None:
    earlier(ending, *settings, checkpoint=checkpoint)
    found = run()
    assert isinstance(found.exception, Reached), (found.output, found.exception)
    assert str(found.exception) == reached


@pytest.mark.usefixtures("started")
def test_without_a_run_one_is_started() -> None:
    assert str(run().exception) == "new"


@pytest.mark.usefixtures("started")
def test_a_run_that_has_completed_is_done() -> None:
    earlier("completed")
    found = run()
    assert (found.exit_code, found.stdout) == (0, "")
    assert found.stderr == f"The run {RUN_ID} of this recipe has completed; there is nothing to do.\n"


@pytest.mark.usefixtures("started")
def test_a_run_that_is_going_is_left_alone() -> None:
    earlier("going")
    found = run()
    assert found.exit_code == 1
    assert re.search(r"is still going; watch it with: cockpit attach", found.stderr)


def of_job(id_: str, *, silent_s: float) -> RunDir:
    """A run whose engine, in that job on another machine, was last heard of so long ago."""
    run = earlier("silent")
    far = {"host": "node7", "boot_id": "another", "pid_namespace": "another"}
    run.write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("unsloth"), **far))
    Job(scheduler="slurm", id=id_, node="node7").write(run)
    run.touch_heartbeat(time.time() - silent_s)
    return run


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("silent_s", [600.0, TAKE_UP_AFTER_S / 2])
def test_a_job_that_comes_back_after_its_node_has_failed_goes_on(
    silent_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    of_job("17", silent_s=silent_s)
    silence_s, waits = RunDir.silence_s, list[float]()
    monkeypatch.setattr("cockpit.cli.taking_up.time", SimpleNamespace(sleep=waits.append))
    monkeypatch.setattr(RunDir, "silence_s", lambda run: silence_s(run) + TAKE_UP_AFTER_S * len(waits))
    found = run()
    assert str(found.exception) == f"goes on with {RUN_ID}", found.output
    assert ("on node7 before" in found.stderr) == (silent_s < TAKE_UP_AFTER_S)


@pytest.mark.usefixtures("started")
def test_the_run_of_another_job_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "18")
    of_job("17", silent_s=600.0)
    assert (run().exit_code, "is still going" in run().stderr) == (1, True)


@pytest.mark.usefixtures("started")
def test_another_node_of_the_job_that_still_trains_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    going = of_job("17", silent_s=5.0)
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(0.05):
            going.touch_heartbeat()

    beating = threading.Thread(target=beat)
    beating.start()
    found = run()
    ended.set()
    beating.join()
    assert (found.exit_code, "is still going" in found.stderr) == (1, True)


def test_help_names_it() -> None:
    assert "--resume-or-start" in CliRunner().invoke(cockpit, ["train", "--help"]).stdout
