"""A model's weights are known again by their fingerprint, and others are told."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from cockpit.models import fingerprint as module
from cockpit.models.fingerprint import difference, fingerprint


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    for number in (1, 2):
        (folder / f"model-{number}.safetensors").write_bytes(bytes([number]) * 10_000)
    return folder


def test_a_small_model_is_hashed_whole(base: Path) -> None:
    digest = hashlib.sha256((base / "model-1.safetensors").read_bytes()).hexdigest()
    assert fingerprint(base)["model-1.safetensors"] == f"sha256:{digest}"
    assert list(fingerprint(base)) == ["model-1.safetensors", "model-2.safetensors"]


def test_a_folder_without_weights_has_no_fingerprint(tmp_path: Path) -> None:
    assert fingerprint(tmp_path) == fingerprint(tmp_path / "none") == {}


def test_the_same_weights_elsewhere_do_not_differ_and_others_do(base: Path, tmp_path: Path) -> None:
    recorded = fingerprint(base)
    moved = Path(shutil.copytree(base, tmp_path / "moved"))
    (moved / "generation_config.json").write_text("{}")
    assert difference(recorded, moved) == ""
    content = bytearray((moved / "model-2.safetensors").read_bytes())
    content[5000] ^= 1
    (moved / "model-2.safetensors").write_bytes(content)
    assert difference(recorded, moved) == "model-2.safetensors holds other weights"
    (moved / "model-2.safetensors").unlink()
    assert difference(recorded, moved) == "model-2.safetensors is missing"
    shutil.copy(base / "model-2.safetensors", moved)
    shutil.copy(base / "model-2.safetensors", moved / "model-3.safetensors")
    assert difference(recorded, moved) == "model-3.safetensors was not among its files"


def test_a_large_model_is_sampled_at_both_ends_and_between(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(module, "SLICES", 4)
    monkeypatch.setattr(module, "SLICE_BYTES", 100)
    recorded = fingerprint(base)
    assert all(value.startswith("sampled-sha256:") for value in recorded.values())
    monkeypatch.setattr(module, "WHOLE_BYTES", 1 << 20)  # the record says how it was made
    assert difference(recorded, base) == ""
    weights = base / "model-1.safetensors"
    before = weights.read_bytes()
    for place in (0, 3350, 6650, 9999):
        weights.write_bytes(before[:place] + b"x" + before[place + 1 :])
        assert difference(recorded, base) == "model-1.safetensors holds other weights"
    weights.write_bytes(before + b"x")
    assert difference(recorded, base) == "model-1.safetensors holds other weights"
