"""The journal keeps phases and their progress in order, whatever thread writes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cockpit.engine.journal import Journal
from cockpit.protocol.event_log import EventReader, EventWriter
from cockpit.protocol.events import AnyEvent, PhaseProgressed, PhaseStarted
from cockpit.runs.folder import RunDir


def test_progress_of_a_phase_that_is_over_is_dropped(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run")
    journal = Journal(run)
    journal.enter_phase("importing")
    journal.progress("importing", 1, 9, "packages")
    journal.enter_phase("standby")
    journal.progress("importing", 2, 9, "packages")
    told = EventReader(run.events).poll()
    assert [type(event) for event in told] == [PhaseStarted, PhaseProgressed, PhaseStarted]


def test_a_phase_begins_in_the_log_before_any_progress_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress that another thread tells while the phase is being written comes after it."""
    run = RunDir.create(tmp_path / "run")
    journal = Journal(run)
    append = EventWriter.append
    others: list[threading.Thread] = []

    def meddle(writer: EventWriter, event: AnyEvent) -> AnyEvent:
        if isinstance(event, PhaseStarted):
            others.append(threading.Thread(target=journal.progress, args=("training", 1, 9, "steps")))
            others[-1].start()
            others[-1].join(0.2)
        return append(writer, event)

    monkeypatch.setattr(EventWriter, "append", meddle)
    journal.enter_phase("training")
    others[0].join(60)
    told = EventReader(run.events).poll()
    assert [type(event) for event in told] == [PhaseStarted, PhaseProgressed]
