"""--model: where the base of a run is, that was moved since the run was trained."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end

if TYPE_CHECKING:
    from cockpit.runs.folder import RunDir

MovedBase = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="FOLDER",
        help="Where the base model is, where it was moved; it must be the very model that was trained on.",
    ),
]


def settle_base(named: str | None, run: RunDir, saved: Path | None = None) -> str | None:
    """The absolute path of the base's new place; None where none is named. Ends the command where the run was trained
    on another model; says so where that cannot be told. `saved` has an adapter of the run, if not the run itself."""
    from cockpit.runs.checkpoint import checkpoints
    from cockpit.runs.moved_base import moved_base

    if named is None:
        return None
    saved = saved or run.result or next((one.path for one in checkpoints(run.checkpoints)), None)
    try:
        place, warning = moved_base(named, run, saved)
    except ValueError as error:
        end(str(error), 2)
    if warning:
        print(warning, file=sys.stderr)
    return place
