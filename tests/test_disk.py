"""Why a folder cannot be written: the truth, not a guess."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cockpit.disk import (
    new_folder,
    open_regular,
    open_to_read,
    read_regular,
    unwritable,
    write_atomically,
    write_named,
)


@pytest.mark.parametrize(
    ("flags", "writable", "owner", "why"),
    [
        (0, True, 0, ""),
        (os.ST_RDONLY, True, 0, "is on a disk that is mounted read-only"),
        (os.ST_RDONLY, False, 1, "is on a disk that is mounted read-only"),
        (0, False, 0, "is not writable for you"),
        (0, False, 1, "belongs to somebody else"),
    ],
)
def test_why_a_folder_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: int, writable: bool, owner: int, why: str
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=flags))
    monkeypatch.setattr(os, "access", lambda *_: writable)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + owner)
    assert unwritable(tmp_path) == why


def test_a_regular_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    assert read_regular(file, 5) == b"12345"
    with open_to_read(file) as stream:
        assert stream.read() == b"12345"
    with pytest.raises(OSError, match="File too large"):
        read_regular(file, 4)


def test_nothing_but_a_regular_file_is_opened_and_nobody_waits(tmp_path: Path) -> None:
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo)
    (tmp_path / "file").write_text("x")
    link.symlink_to(tmp_path / "file")
    for path in (fifo, Path("/dev/zero"), Path("/dev/tty")):
        with pytest.raises(OSError):
            open_regular(path)
        with pytest.raises(OSError):
            open_regular(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    assert read_regular(link, 10) == b"x"
    with pytest.raises(OSError, match="symbolic link"):
        open_regular(link, follow=False)


def test_a_new_folder_takes_the_place_of_the_old_one_or_leaves_it(tmp_path: Path) -> None:
    place, partial = tmp_path / "adapter", tmp_path / "adapter.partial"
    for text in ("old", "new"):
        with new_folder(place, partial) as made:
            made.mkdir()
            (made / "weights").write_text(text)
    assert (place / "weights").read_text() == "new"
    with pytest.raises(ValueError), new_folder(place, partial) as made:
        made.mkdir()
        raise ValueError
    assert (place / "weights").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_a_folder_that_a_killed_process_left_beside_its_place_comes_back(tmp_path: Path) -> None:
    place = tmp_path / "adapter"
    old = tmp_path / ".adapter.old"
    old.mkdir()
    (old / "weights").write_text("old")
    with pytest.raises(ValueError), new_folder(place, tmp_path / "partial"):
        raise ValueError
    assert (place / "weights").read_text() == "old"


def test_a_device_is_refused_and_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, lstat = tmp_path / "null", Path.lstat
    path.write_text("a device")

    def as_device(one: Path) -> Any:
        return SimpleNamespace(st_mode=stat.S_IFCHR | 0o666) if one == path else lstat(one)

    monkeypatch.setattr(Path, "lstat", as_device)  # root would replace a true one
    with pytest.raises(OSError, match="it is a device"):
        write_atomically(path, "new")
    assert path.read_text() == "a device" and list(tmp_path.iterdir()) == [path]


def test_what_a_person_has_named_is_written_as_by_a_shell(tmp_path: Path) -> None:
    file, link, pipe = tmp_path / "file", tmp_path / "link", tmp_path / "pipe"
    file.write_text("old")
    link.symlink_to(file)
    write_named(link, "new")
    assert link.is_symlink() and file.read_text() == "new", "a link is followed"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_named(pipe, b"into the pipe")
    assert os.read(reader, 100) == b"into the pipe" and pipe.is_fifo()
    os.close(reader)
    through = os.open(file, os.O_WRONLY)
    write_named(Path(f"/proc/self/fd/{through}"), "by its descriptor")
    os.close(through)
    assert file.read_text() == "by its descriptor"
    with pytest.raises(IsADirectoryError):
        write_named(tmp_path, "a folder")
