"""Llama-3 8B stands for every model."""

from pathlib import Path

import pytest

from cockpit.models.folder import ModelFolder
from cockpit.preflight.outlook import Forecaster
from tests.models.shapes import LLAMA_3_8B


@pytest.fixture(autouse=True)
def llama(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(Forecaster, "_model", lambda forecaster, name: ModelFolder(Path(), LLAMA_3_8B))
