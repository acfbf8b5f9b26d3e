"""Every test has a home of its own, so that no run or recipe of the person who tests is touched."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """COCKPIT_HOME and the XDG folders, empty."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("COCKPIT_HOME", str(folder / "cockpit"))
    for name in ("CONFIG", "CACHE", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(folder / name.lower()))
    return folder
