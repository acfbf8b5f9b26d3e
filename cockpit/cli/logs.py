"""cockpit logs and cockpit events: what a run's engine wrote, and the run's events as JSON lines; -f follows them"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cockpit.cli.ending import end
from cockpit.text.plain_text import plain_text, without_logins

if TYPE_CHECKING:
    from cockpit.runs.folder import RunDir
    from cockpit.runs.sentences import LogLine

POLL_S = 0.2
LEVELS = {"info": 0, "warning": 1, "error": 2}
RUN = Annotated[str, typer.Argument(help="A run's id, a unique beginning of one, or last.")]
FOLLOW = Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run's engine has ended.")]


def logs(
    run: RUN = "last",
    follow: FOLLOW = False,
    level: Annotated[
        Literal["info", "warning", "error"], typer.Option(help="The least that is printed; tracebacks are errors.")
    ] = "info",
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", min=0, help="Of what is there already, only so many last lines.")
    ] = None,
    rank: Annotated[int, typer.Option(min=0, help="Of a run on several GPUs: which process's.")] = 0,
) -> None:
    """Print engine.log: what the engine, and the libraries in it, have written. Ctrl-C ends following, not the run."""
    from cockpit.runs.ranks import rank_log

    found = _found(run)
    log = rank_log(found, rank)
    wanted = LEVELS[level]
    try:
        before, more = _engine_lines(found, log, follow)
        told = [line for line in before if LEVELS[line.level] >= wanted]
        for line in deque(told, lines) if lines is not None else told:
            _print(line.text)
        for line in more:
            if LEVELS[line.level] >= wanted:
                _print(line.text)
    except OSError as error:
        end(f"{log} cannot be read: {error.strerror or error}.", 1)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def events(run: RUN = "last", follow: FOLLOW = False) -> None:
    """Print a run's events as JSON lines: all that its log holds. Ctrl-C ends following, not the run."""
    from cockpit.cli.report import JsonReport
    from cockpit.runs.link import RunLink
    from cockpit.runs.state import RunState

    link = RunLink(_found(run), all_readings=True)
    report, state = JsonReport(sys.stdout), RunState()
    try:
        while True:
            has_ended = link.liveness() in ("exited", "lost")  # asked before: what was written before that is read
            batch = link.poll()
            for event in batch:
                report.tell(event, state)
            if batch or link.is_behind:
                continue
            if not follow or has_ended or _is_lost():
                return
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _engine_lines(run: RunDir, log: Path, follow: bool) -> tuple[list[LogLine], Iterator[LogLine]]:
    """Those that are there, and those that come. Raises OSError where there is no log."""
    from cockpit.protocol.event_log import newest_event
    from cockpit.protocol.events import EngineExited
    from cockpit.runs.engine_output import EngineOutput

    output = EngineOutput(log)
    before = output.poll()
    if output.skipped_bytes:
        print(f"The first {output.skipped_bytes:,} bytes are left out; all: {log}", file=sys.stderr)

    def more() -> Iterator[LogLine]:
        while follow:
            has_ended = isinstance(newest_event(run.events), EngineExited) or run.liveness() in ("exited", "lost")
            new = output.poll()
            yield from new
            if not new and (has_ended or _is_lost()):
                return
            if not new:
                time.sleep(POLL_S)

    return before, more()


def _found(run: str) -> RunDir:
    from cockpit.runs.folder import find_run

    try:
        return find_run(run)
    except LookupError as error:
        end(str(error), 2)


def _print(text: str) -> None:
    print(without_logins(plain_text(text)), flush=True)


def _is_lost() -> bool:
    from cockpit.text.output import is_output_lost

    return is_output_lost()
