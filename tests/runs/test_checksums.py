"""Checksums of a saved folder: any byte that changes is found, and sha256sum reads them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cockpit.runs.checksums import CHECKSUMS, damage, write_checksums


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    (folder / "below").mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(bytes(range(256)) * 64)
    (folder / "below" / "a name.json").write_text("{}")
    write_checksums(folder)
    return folder


def test_a_folder_that_is_as_it_was_written(saved: Path) -> None:
    assert damage(saved) == ""
    (saved / "optimizer.pt").write_text("added since")
    assert damage(saved) == ""


def test_the_card_of_a_model_may_be_written(saved: Path) -> None:
    (saved / "README.md").write_text("of the trainer")
    write_checksums(saved)
    assert "README.md" not in (saved / CHECKSUMS).read_text()
    (saved / "README.md").write_text("by a person")
    digest = "0" * 64
    (saved / CHECKSUMS).write_text((saved / CHECKSUMS).read_text() + f"{digest}  README.md\n")
    assert damage(saved) == ""


@pytest.mark.parametrize("name", ["a..b.json", "two\nlines", "back\\slash", "\\n", "carriage\rreturn"])
def test_any_name_of_a_file_can_be_listed(saved: Path, name: str) -> None:
    (saved / name).write_text("x")
    write_checksums(saved)
    assert damage(saved) == ""
    (saved / name).write_text("y")
    assert "is damaged" in damage(saved)


def test_every_flipped_bit_is_found(saved: Path) -> None:
    path = saved / "weights.safetensors"
    content = path.read_bytes()
    for at in range(0, len(content), 997):
        flipped = bytearray(content)
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        assert damage(saved) == "weights.safetensors is damaged: its SHA-256 is not the one it was saved with"


def test_files_that_are_gone_or_cannot_be_read(saved: Path) -> None:
    (saved / "below" / "a name.json").unlink()
    assert damage(saved) == "below/a name.json is missing"
    (saved / "below" / "a name.json").mkdir()
    assert damage(saved).startswith("below/a name.json cannot be read")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"rubbish\n", b"0" * 64 + b"  ../outside\n", b"0" * 64 + b"  /etc/passwd\n"]
)
def test_checksums_that_are_damaged_themselves(saved: Path, content: bytes) -> None:
    (saved / CHECKSUMS).write_bytes(content)
    assert damage(saved).startswith(CHECKSUMS)


def test_a_folder_from_before_there_were_checksums(saved: Path) -> None:
    (saved / CHECKSUMS).unlink()
    assert damage(saved) == ""


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_reads_them(saved: Path) -> None:
    (saved / "two\nlines \\ and a slash").write_text("x")
    write_checksums(saved)
    checked = subprocess.run(["sha256sum", "-c", CHECKSUMS], cwd=saved, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout.count(": OK")) == (0, 3)
