"""Where the disk is full, old checkpoints make way: archived ones, then the oldest; never the newest or the best."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cockpit.engine.errors import classify_error, is_disk_full
from cockpit.engine.training.room import making_room

TORCH = "[enforce fail at inline_container.cc:668] . unexpected pos 64 vs 0"


class Disk:
    """Takes `what` once so many checkpoints are gone."""

    def __init__(self, folder: Path, gone: int) -> None:
        self.folder, self.said = folder, list[str]()
        for name in ("attempt-1/checkpoint-30", "checkpoint-10", "checkpoint-20", "checkpoint-30", "checkpoint-40"):
            (folder / name).mkdir(parents=True)
        self._left = gone

    def write(self) -> None:
        if self._left:
            self._left -= 1
            raise RuntimeError(TORCH)

    def fits_after(self, gone: int) -> None:
        self._left = gone

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        (0, ["attempt-1", "checkpoint-10", "checkpoint-20", "checkpoint-30", "checkpoint-40"]),
        (1, ["checkpoint-10", "checkpoint-20", "checkpoint-30", "checkpoint-40"]),
        (2, ["checkpoint-20", "checkpoint-30", "checkpoint-40"]),
        (3, ["checkpoint-20", "checkpoint-40"]),
    ],
)
def test_the_least_that_makes_room_is_removed(tmp_path: Path, gone: int, left: list[str]) -> None:
    disk = Disk(tmp_path, gone)
    making_room(disk.write, tmp_path, "the adapter", {20}, disk.said.append)
    assert disk.names() == left
    assert len(disk.said) == gone
    assert all(line.startswith("The disk is full: ") and line.endswith(" to save the adapter.") for line in disk.said)


def test_archives_go_in_the_order_of_their_attempts(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 1)
    for attempt in (2, 10):
        (tmp_path / f"attempt-{attempt}").mkdir()
    disk.fits_after(2)
    making_room(disk.write, tmp_path, "the adapter", set(), disk.said.append)
    assert [name for name in disk.names() if name.startswith("attempt-")] == ["attempt-10"]


def test_where_nothing_can_go_the_error_stays(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 9)
    with pytest.raises(RuntimeError):
        making_room(disk.write, tmp_path, "the adapter", {20}, disk.said.append)
    assert disk.names() == ["checkpoint-20", "checkpoint-40"]


def test_another_error_removes_nothing(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 0)

    def refuse() -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(PermissionError):
        making_room(refuse, tmp_path, "the adapter", set(), disk.said.append)
    assert len(disk.names()) == 5


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError(TORCH),
        ValueError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
    ids=str,
)
def test_a_full_disk_is_called_so_however_it_is_worded(error: Exception) -> None:
    assert is_disk_full(error)
    assert classify_error(error, None, 3).reason == "The disk is full."
    try:
        raise ValueError("something else") from error
    except ValueError as outer:
        assert is_disk_full(outer)
