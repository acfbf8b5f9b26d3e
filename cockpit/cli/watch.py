"""cockpit watch: follow a run that cockpit did not start, by the files that its trainer writes"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from cockpit.cli.ending import end
from cockpit.cli.terminal import is_drawable
from cockpit.text.plain_text import plain_line

POLL_S = 0.5


def watch(
    folder: Annotated[Path, typer.Argument(help="A trainer's output folder, or one of the files that it logs to.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what it logs as JSON lines, in cockpit's form.")
    ] = False,
) -> None:
    """Follow a run that cockpit did not start: trainer_state.json beside its checkpoints, TensorBoard's event files,
    W&B's local files, or a log with the dict lines of transformers and TRL. In the app on a terminal, as lines where
    the output is piped; nothing is written there. What its files do not tell is shown as –.

    Exit status of the lines: 0 completed, 1 failed, 2 there is nothing to watch, 130 Ctrl-C.
    """
    from cockpit.paths import expanded, kind_of
    from cockpit.runs.folder import RunDir
    from cockpit.watching.link import WatchLink

    place = expanded(folder).absolute()
    if kind_of(place) == "nothing":
        end(f"There is no folder and no file {plain_line(str(place))}; give a trainer's output folder, or its log.", 2)
    if (place / "engine.json").is_file() and RunDir(place).events.is_file():
        own = plain_line(place.name)
        end(f"{plain_line(str(place))} is a run of cockpit's own; watch it with: cockpit attach {own}", 2)
    try:
        link = WatchLink(place)
    except LookupError as error:
        end(str(error), 2)
    if sys.stdin.isatty() and is_drawable() and not as_json:
        from cockpit.cli.app import open_app

        raise typer.Exit(open_app(watched=link))

    from cockpit.cli.follow import EXIT_STATUS
    from cockpit.cli.report import report_for
    from cockpit.runs.state import RunState
    from cockpit.text.output import is_output_lost

    report, state = report_for(as_json), RunState()
    try:
        while not is_output_lost():
            batch = link.poll()
            for event in batch:
                state.apply(event)
                report.tell(event, state)
            if state.ended is not None and not link.is_behind:
                raise typer.Exit(EXIT_STATUS[state.ended.outcome])
            if not batch and not link.is_behind:
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
