"""Why a folder cannot be written: the truth, not a guess."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from cockpit.disk import unwritable


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
