"""Models in the Hub's cache: only whole ones are offered."""

from pathlib import Path

import pytest

from cockpit.models.hub_cache import cache_folder, cached_models, cached_snapshot


def snapshot(cache: Path, folder: str, *files: str, missing: str = "") -> Path:
    """A snapshot as the Hub's library lays it out: links to blobs; `missing` is a link to nothing."""
    path = cache / folder / "snapshots" / "0123abcd"
    blobs = cache / folder / "blobs"
    path.mkdir(parents=True)
    blobs.mkdir()
    for name in files:
        (blobs / name).write_text("{}")
        (path / name).symlink_to(blobs / name)
    if missing:
        (path / missing).symlink_to(blobs / missing)
    return path


def test_whole_models_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    whole = snapshot(tmp_path, "models--owner--name", "config.json", "model.safetensors")
    shards = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    snapshot(tmp_path, "models--owner--big", "config.json", *shards)
    snapshot(tmp_path, "models--gpt2", "config.json", "pytorch_model.bin")
    snapshot(tmp_path, "models--owner--truncated", "config.json", shards[0], missing=shards[1])
    snapshot(tmp_path, "models--owner--unread", "model.safetensors", missing="config.json")
    snapshot(tmp_path, "models--owner--config", "config.json")
    snapshot(tmp_path, "datasets--owner--rows", "config.json", "model.safetensors")
    (tmp_path / "models--owner--empty").mkdir()
    assert cached_models() == ["gpt2", "owner/big", "owner/name"]
    assert cached_snapshot("owner/name") == whole
    assert cached_snapshot("owner/truncated") is None
    assert cached_snapshot("../../etc") is None


def test_cache_folder_is_where_the_hubs_library_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_folder() == Path("/cache/huggingface/hub")
    monkeypatch.setenv("HF_HOME", "/hf")
    assert cache_folder() == Path("/hf/hub")
    monkeypatch.setenv("HF_HUB_CACHE", "/hub")
    assert cache_folder() == Path("/hub")


def test_no_cache_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    assert cached_models() == []
