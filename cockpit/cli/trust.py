"""--trust-remote-code: a run that was made elsewhere may run the code that comes with its model."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end

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
    """Trust the run, or say what is off in it. Ends the command where the run's folder cannot be written."""
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.origin import distrust, mark_as_made_here

    try:
        if trust:
            mark_as_made_here(run.path)
        elif refusal := distrust(run.path):
            print(refusal, file=sys.stderr)
    except RecipeError:
        pass  # told when the recipe is used
    except OSError as error:
        end(f"The run's folder cannot be marked as trusted: {error.strerror or error}.", 1)
