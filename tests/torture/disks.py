"""Runs on disks that are too small: the result is saved before all else, or the run says that the disk is full

usage: python -m tests.torture.disks [--sizes MIB ...]     (as root: it mounts tmpfs)
A short training of the demo, with a checkpoint every 2 of its 24 steps and all of them kept, on a disk of each size.
Afterwards the disk is made larger, a run that failed is resumed, and every adapter is compared with an undisturbed one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cockpit.runs.checksums import damage
from cockpit.runs.folder import RunDir
from cockpit.runs.summary import RunSummary
from tests.torture.table import Table

SIZES = (4, 8, 12, 16, 24, 48)
ROOMY = 512
TRAIN = ("train", "demo", "--set", "training.max_steps=24", "--set", "output.save_steps=2")
WEIGHTS = "adapter_model.safetensors"


def main() -> None:
    """Train on a disk of each size, and print what became of the runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="MiB")
    table = Table("disk", "ended", "after more room")
    with disk(ROOMY) as home:
        cockpit(home, *TRAIN)
        expected = (newest(home).adapter / WEIGHTS).read_bytes()
    for size in parser.parse_args().sizes:
        with disk(size) as home:
            cockpit(home, *TRAIN)
            table.add(f"{size} MiB", *trial(home, expected))
    table.show()
    sys.exit(bool(table.failures))


def trial(home: Path, expected: bytes) -> tuple[str, str, bool]:
    """How the run ended, how it ended once there was room, and whether its adapter is the one that it should be."""
    runs = list((home / "runs").iterdir()) if (home / "runs").is_dir() else []
    if not runs:
        return "not begun", "–", True
    run = RunDir(runs[0])
    first = RunSummary.of(run)
    if first.state == "completed":
        return f"completed at {first.step}", "–", is_sound(run, expected)
    before = not run.adapter.exists() or not damage(run.adapter)
    subprocess.run(["mount", "-o", f"remount,size={ROOMY}m", str(home)], check=True)
    status = cockpit(home, "resume", run.id)
    again = RunSummary.of(run)
    return f"{first.state} at {first.step}", f"{again.state} ({status})", before and is_sound(run, expected)


def is_sound(run: RunDir, expected: bytes) -> bool:
    """Whether the adapter is complete, and the one of an undisturbed run."""
    weights = run.adapter / WEIGHTS
    return weights.is_file() and not damage(run.adapter) and weights.read_bytes() == expected


def newest(home: Path) -> RunDir:
    """The only run."""
    (folder,) = (home / "runs").iterdir()
    return RunDir(folder)


def cockpit(home: Path, *arguments: str) -> int:
    """The exit status of a command."""
    environment = os.environ | {"COCKPIT_HOME": str(home)}
    command = [sys.executable, "-P", "-m", "cockpit", *arguments]
    return subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL).returncode


@contextmanager
def disk(size_mib: int) -> Iterator[Path]:
    """A home on a disk of its own."""
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", place], check=True)
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", "-l", place], check=True)


if __name__ == "__main__":
    main()
