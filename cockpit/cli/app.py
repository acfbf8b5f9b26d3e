"""cockpit: open the app."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cockpit.runs.folder import RunDir

NO_TERMINAL = (
    "cockpit draws on a terminal, and there is none here; use 'cockpit train demo' or 'cockpit --help' instead."
)


def open_app(run: RunDir | None = None) -> int:
    """Open the app, on `run` where one is given. The exit status."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(NO_TERMINAL, file=sys.stderr)
        return 2
    from cockpit.ui.app import CockpitApp

    app = CockpitApp(open_run=run)
    app.run()
    return app.return_code or 0
