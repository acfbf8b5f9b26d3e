"""When a run is to end for its machine's sake is known in time: as long before as a step and its saving take."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.engine import notices as module
from cockpit.engine.notices import SLURM_END, Notices, Paces
from cockpit.recipe.lifecycle import Lifecycle

PATIENCE_S = 60.0


def notices(folder: Path, may_run: bool = True, environment: dict[str, str] | None = None, **fields: object) -> Notices:
    return Notices(Lifecycle(**fields), folder, may_run=may_run, environment=environment or {})  # type: ignore[arg-type]


def until(so: Callable[[], str]) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := so()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


@pytest.mark.parametrize(
    ("said", "seconds"), [("03:50:00", 13_800), ("3:50", 13_800), ("2-12:00:00", 216_000), ("00:00:30", 30)]
)
def test_a_deadline_counts_from_the_start(tmp_path: Path, said: str, seconds: float) -> None:
    assert Lifecycle(deadline=said).deadline_s == seconds
    before = time.time()
    found = notices(tmp_path, deadline=said)
    assert found.ends_at is not None and before <= found.ends_at - seconds <= time.time()


def test_it_is_due_as_long_before_as_ending_takes(tmp_path: Path) -> None:
    found = notices(tmp_path, deadline="01:00:00")
    assert found.due() == ""
    assert found.ends_at is not None
    found.ends_at = time.time() + found.paces.ending_s + 60
    assert found.due() == ""
    found.ends_at -= 61
    assert found.due().startswith("The time is up: lifecycle.deadline leaves 2")


def test_slurm_says_when_the_job_ends(tmp_path: Path) -> None:
    soon = notices(tmp_path, deadline="slurm", environment={SLURM_END: str(int(time.time()) + 10)})
    assert soon.due().startswith("The time is up: Slurm leaves ")
    assert notices(tmp_path, deadline="slurm", environment={SLURM_END: str(int(time.time()) + 9999)}).due() == ""
    silent = notices(tmp_path, deadline="slurm")
    assert silent.problem == f"lifecycle.deadline is slurm, and {SLURM_END} does not say when the job ends."
    assert silent.due() == ""


def test_paces_are_those_of_the_last_steps_and_the_last_saving() -> None:
    paces = Paces()
    moment = 0.0
    for step in range(1, 6):
        moment += 40.0
        paces.look(step, "training", moment)
    assert paces.step_s == 40
    paces.look(5, "saving", moment + 1)
    paces.look(5, "training", moment + 31)
    assert paces.saving_s == 30
    assert paces.ending_s == 1.5 * 40 + 2.5 * 30 + module.MARGIN_S


def test_a_command_of_the_user_s_own_is_asked_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_EVERY_S", 0.0)
    found = notices(tmp_path, preemption_command="echo x >> asked; test -e vanishes", grace_s=7)
    asked = tmp_path / "asked"
    until(lambda: found.due() or ("twice" if asked.exists() and asked.stat().st_size > 4 else ""))
    assert not (tmp_path / "vanishes").exists() and found.ends_at is None
    before = time.time()
    (tmp_path / "vanishes").touch()
    assert until(found.due) == "The machine is about to vanish, says lifecycle.preemption_command."
    assert before + 7 <= (found.ends_at or 0.0) <= time.time() + 7
    found.close()


def test_a_run_from_elsewhere_runs_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_EVERY_S", 0.0)
    found = notices(tmp_path, may_run=False, preemption_command="touch asked")
    assert found.due() == ""
    assert found.problem == "lifecycle.preemption_command is not run, as this run was not made here."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("said", ["soon", "3", "1:99:00", "0:00:00"])
def test_what_is_no_time_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="this is no time after the start"):
        Lifecycle(deadline=said)
