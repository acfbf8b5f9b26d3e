"""cockpit: open the app."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cockpit.cli.terminal import is_drawable
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.runs.folder import RunDir
    from cockpit.watching.link import WatchLink

NO_TERMINAL = (
    "cockpit draws on a terminal, and there is none here; use 'cockpit train demo' or 'cockpit --help' instead."
)
DUMB_TERMINAL = (
    "cockpit draws on a terminal, and this one takes no drawing (TERM={0}); set TERM to what it is, such as "
    "xterm-256color, or use 'cockpit train demo' or 'cockpit --help' instead."
)


def open_app(run: RunDir | None = None, replay_speed: float | None = None, watched: WatchLink | None = None) -> int:
    """Open the app, on `run` where one is given, played again where a speed is, or on a run that cockpit did not start.
    The exit status."""
    if why := why_not_drawable():
        print(why, file=sys.stderr)
        return 2
    from cockpit.ui.app import CockpitApp

    app = CockpitApp(open_run=run, replay_speed=replay_speed, watched=watched)
    app.run()
    return app.return_code or 0


def why_not_drawable() -> str:
    """Why the app cannot be drawn here, in a sentence; empty where it can."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        return NO_TERMINAL
    return "" if is_drawable() else DUMB_TERMINAL.format(plain_line(os.environ.get("TERM", "")))
