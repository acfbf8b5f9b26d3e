"""Whoever is named in settings.yaml is told by the engine of ends and watchdogs, and nothing holds a run up."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from cockpit.engine.notify import NOT_INSTALLED, Notifier
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import RunEnded, WatchdogFired
from cockpit.runs.folder import RunDir
from cockpit.settings import settings_file
from tests.engine.conftest import HostedRun
from tests.recording import record


class Apprise(ModuleType):
    """Stands in for the package: keeps what is sent; addresses that begin with bad are refused, with deaf not taken."""

    def __init__(self) -> None:
        super().__init__("apprise")
        self.sent: list[tuple[str, str, str, str]] = []
        module = self

        class Service:
            def add(self, address: str) -> bool:
                self.address = address
                return not address.startswith("bad")

            def notify(self, *, title: str, body: str, notify_type: str) -> bool:
                module.sent.append((self.address, title, body, notify_type))
                return not self.address.startswith("deaf")

        self.Apprise = Service


@pytest.fixture
def apprise(monkeypatch: pytest.MonkeyPatch) -> Apprise:
    found = Apprise()
    monkeypatch.setitem(sys.modules, "apprise", found)
    return found


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    settings_file().parent.mkdir(parents=True)
    settings_file().write_text("notify: [ok://me, bad://x:secret@y, deaf://z]\n")
    return settings_file()


def told(run: RunDir, attempt: int = 1) -> list[str]:
    said: list[str] = []
    notifier = Notifier.for_run(run, attempt, said.append)
    if notifier is not None:
        notifier.close()
    return said


def test_all_addresses_are_told_and_failures_named_without_their_secrets(
    tmp_path: Path, apprise: Apprise, settings: Path
) -> None:
    run = record(tmp_path, ending="going", until=126)
    log = EventWriter(run.events)
    log.append(WatchdogFired(watchdog="loss_nan", step=126, action="stop", finding="No number."))
    log.append(RunEnded(outcome="stopped", step=126, reason="No number."))
    log.close()
    said = told(run)
    assert [(address, kind) for address, _, _, kind in apprise.sent] == [
        ("ok://me", "warning"), ("deaf://z", "warning"), ("ok://me", "warning"), ("deaf://z", "warning"),
    ]  # fmt: skip
    assert apprise.sent[0][1] == "demo-1120-2349: loss nan"
    assert len(said) == 2 and "secret" not in said[0]
    assert said[0].startswith("Of settings.yaml, notify 2 (bad) is no address that apprise knows; notify 3 (deaf) did")


def test_what_earlier_attempts_have_told_is_not_told_again(tmp_path: Path, apprise: Apprise, settings: Path) -> None:
    told(record(tmp_path, ending="failed", until=9, reason="No."), attempt=2)
    assert apprise.sent == []


def test_without_apprise_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Path) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert told(record(tmp_path, until=3, steps=3)) == [NOT_INSTALLED]


def test_settings_that_cannot_be_read_are_said(tmp_path: Path, settings: Path) -> None:
    settings.write_text("notify: 7\n")
    (said,) = told(record(tmp_path, until=3, steps=3))
    assert "has notify, which is no list of addresses" in said
    settings.unlink()
    assert told(record(tmp_path / "other", until=3, steps=3)) == []


def test_an_engine_tells_of_its_end(hosted: Callable[..., HostedRun], apprise: Apprise, settings: Path) -> None:
    settings.write_text("notify: ok://me\n")
    run = hosted(training__max_steps=2)
    run.until_ended()
    run.close()
    (sent,) = apprise.sent
    assert sent[1] == f"{run.run.id}: training is complete" and "step 2/2" in sent[2]
