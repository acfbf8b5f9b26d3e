"""cockpit load: what a desk calls at the host to chat with a run."""

from pathlib import Path
from typing import Any

import pytest

from cockpit.cli.mirror import load
from cockpit.launch import engines
from cockpit.launch.engines import EngineKey
from cockpit.runs.folder import RunDir
from tests.recording import record


@pytest.mark.parametrize("devices", [1, 4])
def test_one_process_answers_whatever_number_has_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: int
) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    run = record(tmp_path / "runs", run_id="a", steps=20)
    hardware = f"backend: transformers\nhardware:\n  gpu: none\n  devices: {devices}\n"
    text = run.recipe.read_text().replace("training:\n", "training:\n  gradient_checkpointing: none\n")
    run.recipe.write_text(text + hardware)
    started: list[tuple[RunDir, EngineKey]] = []

    class Started:
        class link:
            close = staticmethod(lambda: None)

    def start(run: RunDir, key: EngineKey) -> Any:
        started.append((run, key))
        return Started

    monkeypatch.setattr(engines, "start_chat_engine", start)
    load("a")
    assert started == [(run, EngineKey("transformers", "none"))]
