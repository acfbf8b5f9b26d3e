"""Embedded names and local paths."""

from pathlib import Path

import pytest

from cockpit.paths import embedded_data, embedded_models, local_path, resolve


def test_embedded_names_lead_into_the_package() -> None:
    for name in (*embedded_models(), *embedded_data()):
        assert Path(resolve(name)).is_absolute()
        assert "/cockpit/demo/" in resolve(name)
    assert resolve("owner/name") == "owner/name"
    with pytest.raises(ValueError, match="cockpit ships no embedded:other; it ships embedded:demo, embedded:pirate"):
        resolve("embedded:other")


def test_local_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("here").mkdir()
    assert local_path("here") == tmp_path / "here"
    assert local_path("./gone") == tmp_path / "gone"
    assert local_path("~/gone") == tmp_path / "gone"
    assert local_path("/gone") == Path("/gone")
    assert local_path("owner/name") is None
    assert local_path("embedded:demo") is None
    assert local_path("\0") is None
