"""Several machines that train one run: the options that say so, and what a machine does that is not the first"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end, refuse
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.launch.engines import EngineKey
    from cockpit.launch.meeting import Meeting
    from cockpit.runs.folder import RunDir

Nodes = Annotated[
    int | None,
    typer.Option("--nodes", metavar="N", min=1, max=64, help="Machines that train together; start this on each."),
]
NodeRank = Annotated[
    int | None,
    typer.Option("--node-rank", metavar="K", min=0, help="Which of them this is, from 0."),
]
Rdzv = Annotated[
    str | None,
    typer.Option("--rdzv", metavar="HOST:PORT", help="Where they meet: a free port of the first."),
]
ENDS_S, LOOK_EVERY_S = 300.0, 0.2
"""How long the first machine may save the result once the others are done, and how often its run is looked at."""
WAITS_S = 900.0
"""How long the first machine is waited for."""


def meeting_of(nodes: int | None, node_rank: int | None, rdzv: str | None) -> Meeting | None:
    """The machines that were asked for; None for one. Ends the command where something is wrong."""
    from cockpit.launch.meeting import Meeting

    try:
        meeting = Meeting.of(nodes, node_rank, rdzv, os.environ)
    except ValueError as error:
        refuse([str(error)])
    if meeting is not None and meeting.is_first and (why_not := meeting.why_not_here()):
        refuse([why_not])
    return meeting


def join(meeting: Meeting, key: EngineKey, *, detach: bool) -> int:
    """Train the run of the first machine with it, by this one's GPUs, until that is over; the exit status."""
    from cockpit.launch.engines import start_node
    from cockpit.protocol.commands import Stop
    from cockpit.runs.link import new_command_id

    run = meeting.wait(WAITS_S)
    if run is None:
        where = "machine 0, which COCKPIT_HOME must be shared with"
        end(f"No run has begun within {WAITS_S / 60:.0f} minutes on {where}.", 1)
    try:
        process = start_node(key, run)
    except OSError as error:
        end(f"The run's folder cannot be written: {error.strerror or error} ({error.filename}).", 1)
    who = f"Machine {meeting.node} of {meeting.nodes}"
    print(f"{who} trains the run {plain_line(run.id)} with the others.", file=sys.stderr)
    if detach:
        return 0

    def stop(signum: int, frame: FrameType | None) -> None:
        run.send(Stop(id=new_command_id()))

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, stop)
    while True:
        try:
            status = process.wait(1.0)
            break
        except subprocess.TimeoutExpired:
            continue
    log = run.ranks / f"node-{meeting.node}.log"
    print(f"{who} is done." if not status else f"{who} has failed; what it printed: {log}", file=sys.stderr)
    return 1 if status else status_of(run, ENDS_S)


def status_of(run: RunDir, seconds: float) -> int:
    """The exit status that the first machine has for the run, which it may take so long to end, as it saves: a machine
    of a run that was stopped has not completed it, and whoever starts machines begins it anew with the others."""
    from cockpit.cli.follow import EXIT_STATUS
    from cockpit.runs.status import is_active
    from cockpit.runs.summary import RunSummary

    deadline = time.monotonic() + seconds
    while is_active(state := RunSummary.of(run).state) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
    return EXIT_STATUS.get(state, 1)
