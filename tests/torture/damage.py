"""Every file of a checkpoint and of an adapter, damaged at random: none is used as if it were sound

usage: python -m tests.torture.damage [--trials N] [--seed N]
A short run of the demo on the CPU makes the checkpoints. Of each kind of damage, N trials a file.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cockpit.engine.errors import RunFailure
from cockpit.engine.model.loading import refuse_damage
from cockpit.engine.training.resumption import resumption
from cockpit.runs.checkpoint import checkpoints
from cockpit.runs.folder import RunDir
from tests.torture.table import Table

PAGE = 4096
TRAIN = ("train", "demo", "--set", "training.max_steps=6", "--set", "output.save_steps=3")


def main() -> None:
    """Make a run, damage it in every way, and print what was used all the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance, table = random.Random(options.seed), Table("what was damaged", "how")
    with tempfile.TemporaryDirectory() as scratch:
        run = trained(Path(scratch))
        newest = checkpoints(run.checkpoints)[0]
        for path in listed(newest.path):
            for how in (flip, zero_a_page, cut, swap):
                for _ in range(options.trials):
                    with damaged(path, how, chance) as is_same:
                        table.add(f"checkpoint: {path.name}", how.__name__, is_same or passed_over(run, newest.step))
        for path in listed(run.adapter):
            for how in (flip, zero_a_page, cut, swap):
                for _ in range(options.trials):
                    with damaged(path, how, chance) as is_same:
                        table.add(f"adapter: {path.name}", how.__name__, is_same or refused(run))
    table.show()
    sys.exit(bool(table.failures))


def trained(home: Path) -> RunDir:
    """The run of a short training in a home of its own."""
    environment = os.environ | {"COCKPIT_HOME": str(home)}
    command = [sys.executable, "-P", "-m", "cockpit", *TRAIN]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    (folder,) = (home / "runs").iterdir()
    return RunDir(folder)


def listed(folder: Path) -> list[Path]:
    """The files that are to be damaged: all but the model card, which may be edited."""
    return sorted(path for path in folder.iterdir() if path.name != "README.md")


@contextmanager
def damaged(path: Path, how: Callable[[Path, random.Random], None], chance: random.Random) -> Iterator[bool]:
    """Inside, the file is damaged; whether it holds what it held all the same."""
    content = path.read_bytes()
    how(path, chance)
    yield path.read_bytes() == content
    path.write_bytes(content)


def passed_over(run: RunDir, step: int) -> bool:
    """Whether a resume takes an older checkpoint than that of `step`, or none."""
    try:
        return resumption(run, None, lambda _: None).step != step
    except RunFailure:
        return True


def refused(run: RunDir) -> bool:
    """Whether the adapter is neither chatted with nor exported."""
    try:
        refuse_damage(run.adapter)
    except RunFailure:
        return True
    return False


def flip(path: Path, chance: random.Random) -> None:
    """One bit."""
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def zero_a_page(path: Path, chance: random.Random) -> None:
    """A page of the file system, as after a power cut."""
    content = bytearray(path.read_bytes())
    at = chance.randrange(len(content)) // PAGE * PAGE
    content[at : at + PAGE] = bytes(len(content[at : at + PAGE]))
    path.write_bytes(content)


def cut(path: Path, chance: random.Random) -> None:
    """The end is missing."""
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))])


def swap(path: Path, chance: random.Random) -> None:
    """The file of another step, or another file of its folder, in its place."""
    others = [one for one in path.parent.iterdir() if one != path]
    shutil.copyfile(chance.choice(others), path)


if __name__ == "__main__":
    main()
