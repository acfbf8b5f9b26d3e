"""CannotRun: the program that is to run an artefact cannot"""

from __future__ import annotations

from cockpit.engine.errors import RunFailure

CANNOT_RUN = 4
"""The exit status that says so."""


class CannotRun(RunFailure):
    """A sentence says what happened."""
