"""cockpit replay: a run played again on the live screen, in its own time or faster"""

from __future__ import annotations

from typing import Annotated

import typer

from cockpit.cli.ending import end


def replay(
    run: Annotated[str, typer.Argument(help="A run's id, a unique beginning of one, or last.")] = "last",
    speed: Annotated[float, typer.Option(min=0.01, max=1e6, help="Times as fast as it went.")] = 10.0,
) -> None:
    """Play a run again on the live screen. Pauses longer than five seconds are cut; nothing can be asked of it."""
    from cockpit.cli.app import open_app
    from cockpit.runs.folder import find_run

    try:
        found = find_run(run)
    except LookupError as error:
        end(str(error), 2)
    raise typer.Exit(open_app(found, replay_speed=speed))
