"""A run's folder that is moved while something is saved into it: the run fails, and nothing stands in the old place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.engine.journal import Journal
from cockpit.paths import runs_folder
from cockpit.protocol.events import Phase
from tests.engine.conftest import HostedRun

Hosted = Callable[..., HostedRun]


@pytest.mark.parametrize("saving", [1, 2], ids=["a checkpoint", "the adapter"])
def test_no_ghost_is_left(hosted: Hosted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saving: int) -> None:
    place, enter_phase = tmp_path / "elsewhere", Journal.enter_phase
    old = runs_folder() / "hosted-0"
    saved = []

    def enter_and_move(journal: Journal, phase: Phase, detail: str = "") -> None:
        enter_phase(journal, phase, detail)
        if phase == "saving":
            saved.append(detail)
            if len(saved) == saving:
                old.rename(place)

    monkeypatch.setattr(Journal, "enter_phase", enter_and_move)
    run = hosted(training__max_steps=2, output__save_steps=2)
    run.until_ended()
    run.close()
    ended = run.state.ended
    assert ended is not None and ended.outcome == "failed"
    assert f"it lies in {place}" in ended.reason
    assert not old.exists()
    assert not (place / "adapter").exists()
    assert [path.name for path in (place / "checkpoints").iterdir()] == ["checkpoint-2"] * (saving - 1)
