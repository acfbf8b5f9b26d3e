"""cockpit attach: watch a run that somebody started, here or elsewhere."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cockpit.cli.ending import end
from cockpit.cli.terminal import is_drawable


def attach(
    run: Annotated[str, typer.Argument(help="A run's id, a unique beginning of one, or last.")] = "last",
    as_json: Annotated[bool, typer.Option("--json", help="Print the run's events as JSON lines.")] = False,
) -> None:
    """Watch a run: in the app on a terminal, as lines where the output is piped. Ctrl-C leaves it running."""
    from cockpit.runs.folder import find_run

    try:
        found = find_run(run)
    except LookupError as error:
        end(str(error), 2)
    if sys.stdin.isatty() and is_drawable() and not as_json:
        from cockpit.cli.app import open_app

        raise typer.Exit(open_app(found))

    from cockpit.cli.follow import follow, tell_ways_on
    from cockpit.cli.report import report_for
    from cockpit.runs.link import RunLink

    report = report_for(as_json)
    try:
        status = follow(RunLink(found, all_readings=as_json), report)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    tell_ways_on(found, report, status)
    raise typer.Exit(status)
