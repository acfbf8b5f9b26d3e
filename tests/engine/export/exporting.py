"""An export in this process, to its end."""

from __future__ import annotations

from pathlib import Path

from cockpit.engine.export.__main__ import Exporter
from cockpit.launch.export_form import ExportForm, default_folder
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import ExportEnded
from cockpit.runs.folder import RunDir


def export(
    run: RunDir, form: str, out: Path | None = None, push: str | None = None, base: str | None = None
) -> ExportEnded:
    """How the export of what the run has saved has ended; it leaves nothing beside what it has made, and no receipt."""
    wanted = ExportForm.parse(form)
    exporter = Exporter(run, wanted, out or default_folder(run, wanted), "x1", base)
    done = exporter.export(push, private=False)
    ended = [event for event in EventReader(run.export).poll() if isinstance(event, ExportEnded)][-1]
    assert done is (ended.reason == "")
    assert not list(exporter.out.parent.glob(f".{exporter.out.name}*"))
    return ended
