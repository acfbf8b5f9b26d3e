"""A safetensors file that is whole, truncated, missing or none at all, told from its header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cockpit.models.folder import ModelFolder
from cockpit.models.weights_file import defect_of_safetensors, shapes_of
from tests.runs.complete_checkpoint import write_safetensors

OFFSETS: tuple[Any, ...] = ([0], [], "x", None, [0, 1e400])
NONE_AT_ALL = ([], 5, "x", {"w": []}, *({"w": {"data_offsets": offsets}} for offsets in OFFSETS))


def test_a_whole_file_and_one_that_is_cut(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "model.safetensors")
    assert defect_of_safetensors(path) == ""
    whole = path.read_bytes()
    for truncated in (whole[:-1], whole + b"\0", whole[:20], whole[:3], b""):
        path.write_bytes(truncated)
        assert defect_of_safetensors(path) == "model.safetensors is truncated"
    path.unlink()
    assert defect_of_safetensors(path) == "model.safetensors is missing"


def test_a_header_longer_than_is_read_is_a_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_safetensors(tmp_path / "model.safetensors")
    length = int.from_bytes(path.read_bytes()[:8], "little")
    for longest, defect in ((length, ""), (length - 1, "model.safetensors cannot be read")):
        monkeypatch.setattr("cockpit.models.weights_file.LONGEST_HEADER", longest)
        path.touch()
        assert defect_of_safetensors(path) == defect


def test_shapes_and_what_is_no_tensor(tmp_path: Path) -> None:
    header = {"__metadata__": {"format": "pt"}, "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(24))
    assert (shapes_of(path), defect_of_safetensors(path)) == ({"w": (2, 3)}, "")


@pytest.mark.parametrize("header", NONE_AT_ALL)
def test_a_header_that_is_none_is_a_defect(header: object, tmp_path: Path) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    assert defect_of_safetensors(path) == "model.safetensors cannot be read"
    assert ModelFolder.at(tmp_path).truncated_file() == "model.safetensors"
    assert ModelFolder.at(tmp_path).loaded_bytes("none") is None
