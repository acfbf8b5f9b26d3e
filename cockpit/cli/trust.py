"""--trust-remote-code: a run that was made elsewhere may run the code that comes with its model."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.runs.folder import RunDir

TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help="Trust a run that was made elsewhere from now on: where its recipe says so, run the code of its model.",
    ),
]


def settle_trust(run: RunDir, trust: bool) -> None:
    """Trust the run, or say what is off in it. Ends the command where the run cannot be trusted: its folder belongs to
    another user, or cannot be written."""
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.origin import distrust, is_own, mark_as_made_here

    try:
        if trust and not is_own(run.path):
            end(
                f"The run {plain_line(run.id)} belongs to another user, who could change its model at any time, so "
                "--trust-remote-code cannot allow its code: copy the folder, and give it for the copy.",
                1,
            )
        if trust:
            mark_as_made_here(run.path)
        elif refusal := distrust(run.path):
            print(refusal, file=sys.stderr)
    except RecipeError:
        pass  # told when the recipe is used
    except OSError as error:
        end(f"The run's folder cannot be marked as trusted: {error.strerror or error}.", 1)
