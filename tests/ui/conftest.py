"""The pilot of these tests waits for what the app does, not for the machine."""

import pytest
import textual.app
import textual.pilot

from tests.ui.quiet import until_quiet


@pytest.fixture(autouse=True)
def patient_pilot(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pilot.pause` and `pilot.press` come back when the app is quiet."""
    monkeypatch.setattr(textual.pilot, "wait_for_idle", until_quiet)
    monkeypatch.setattr(textual.app, "wait_for_idle", until_quiet)
