"""cockpit status: a run in one line. `cockpit/__main__.py` answers it before all this is imported, where it can."""

from __future__ import annotations

from typing import Annotated

import typer


def status(
    run: Annotated[str, typer.Argument(help="A run's id, a unique beginning of one, or last.")] = "last",
    tmux: Annotated[bool, typer.Option("--tmux", help="A short line in tmux's colours; empty without a run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say in one line how a run stands: state, step, main figure, held out too, ETA. It looks once and ends."""
    from cockpit.runs.status_line import tell

    raise typer.Exit(tell(run, tmux=tmux, as_json=as_json))
