"""The disk filled to its last byte while a run trains, writes a checkpoint, saves or logs, and while an export is made;
then there is room again, and the same command goes on: nothing that was complete is lost, and the log can be read

python -m tests.torture.filled_disks [--trials N] [--seed N]     (as root: it mounts tmpfs)
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cockpit.runs.checksums import damage
from cockpit.runs.folder import RunDir, all_runs
from cockpit.runs.summary import RunSummary
from tests.torture.disks import disk
from tests.torture.engine_deaths import (
    AtMoment,
    command,
    in_phase,
    inside_a_checkpoint,
    prepared,
    result_of,
    state_of,
    why_not_offered_well,
)
from tests.torture.table import Table

ROOM_MIB = 64
FULL = "disk"
"""Stands in the sentence of each failure."""


class Filler:
    """A file that takes what is left of a disk."""

    def __init__(self, home: Path) -> None:
        self._path = home / "filler"

    def fill(self, _run: RunDir | None = None) -> None:
        """To the last byte."""
        with self._path.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with suppress(OSError):
                    while file.write(b"\0" * size) == size:
                        pass

    def remove(self) -> None:
        """There is room again."""
        self._path.unlink(missing_ok=True)


def at_step(step: int) -> Callable[[RunDir], str]:
    """Once so many steps are logged."""
    return lambda run: "training" if state_of(run).step >= step else ""


def at_first() -> Callable[[RunDir], str]:
    """As soon as the engine has the run: from then on its log cannot grow."""
    return lambda run: "beginning to log" if run.events.exists() and run.identity() is not None else ""


def trial(recipe: Path, home: Path, moment: Callable[[RunDir], str], expected: object) -> tuple[str, str, str]:
    """When the disk was filled, how the run ended, and what is wrong with what came of it."""
    filler = Filler(home)
    at = AtMoment(set(), moment, filler.fill)
    at.start()
    status, said = command(recipe)
    at.over = True
    at.join()
    run = at.run_dir
    if run is None:
        return "not hit", "completed", "" if status == 0 else said
    ended = RunSummary.of(run)
    if status and FULL not in said.lower() and "space" not in said.lower():
        return at.hit, ended.state, f"it does not say that the disk is full: {said[-300:]}"
    if ended.damage:
        return at.hit, ended.state, ended.damage
    if wrong := why_not_offered_well(run):
        return at.hit, ended.state, wrong
    filler.remove()
    if status:
        status, said = command(recipe)
    newest = all_runs()[0]
    if status:
        return at.hit, ended.state, f"with room again: {said[-300:]}"
    return at.hit, ended.state, "" if result_of(newest) == expected else f"{newest.id} is not as an undisturbed run"


def exported(recipe: Path, home: Path) -> tuple[str, str, str]:
    """An export on a full disk, and with room again."""
    status, said = command(recipe)
    if status:
        return "exporting", "-", said
    run, filler = all_runs()[0], Filler(home)
    filler.fill()
    full, said = export(run)
    filler.remove()
    if not full or not any(word in said.lower() for word in (FULL, "space")):
        return (
            "exporting",
            "exported" if not full else "failed",
            f"it does not say that the disk is full: {said[-300:]}",
        )
    left = [path.name for path in (run.path / "exports").glob("*")] if (run.path / "exports").is_dir() else []
    if left or damage(run.adapter):
        return "exporting", "failed", f"left behind: {left} {damage(run.adapter)}"
    again, said = export(run)
    return "exporting", "failed", "" if not again else f"with room again: {said[-300:]}"


def export(run: RunDir) -> tuple[int, str]:
    """Status, and what was said."""
    words = [sys.executable, "-P", "-m", "cockpit", "export", run.id, "--as", "adapter", "--no-receipt"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@contextmanager
def home_on_a_disk() -> Iterator[Path]:
    """A small disk that is COCKPIT_HOME."""
    with disk(ROOM_MIB) as home:
        before, os.environ["COCKPIT_HOME"] = os.environ.get("COCKPIT_HOME", ""), str(home)
        try:
            yield home
        finally:
            os.environ["COCKPIT_HOME"] = before


def main() -> int:
    """The table, and what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.filled_disks")
    parser.add_argument("--trials", type=int, default=3, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draw, faults, table = random.Random(given.seed), list[str](), Table("disk filled while", "the run")
    with prepared() as one_more:
        status, said = command(one_more())
        if status:
            print(said)
            return 1
        expected = result_of(all_runs()[0])
        for _ in range(given.trials):
            for moment in (at_first(), at_step(draw.randrange(1, 12)), inside_a_checkpoint(draw), in_phase("saving")):
                recipe = one_more()
                with home_on_a_disk() as home:
                    hit, ended, wrong = trial(recipe, home, moment, expected)
                table.add(hit, ended, not wrong)
                faults += [f"{hit}: {wrong}"] if wrong else []
        recipe = one_more()
        with home_on_a_disk() as home:
            hit, ended, wrong = exported(recipe, home)
        table.add(hit, ended, not wrong)
        faults += [f"{hit}: {wrong}"] if wrong else []
    table.show()
    print(*faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
