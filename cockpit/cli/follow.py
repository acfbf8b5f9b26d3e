"""Following a run without a screen, to its end; what Ctrl-C means on the way."""

from __future__ import annotations

import shlex
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cockpit.cli.report import Report
from cockpit.launch.engines import StartedEngine
from cockpit.protocol.commands import Stop
from cockpit.protocol.event_log import newest_attempt
from cockpit.protocol.events import AnyEvent, Relaunch, RunEnded
from cockpit.runs.checkpoint import newest_complete
from cockpit.runs.crash import Crash
from cockpit.runs.details import RunDetails
from cockpit.runs.folder import RunDir
from cockpit.runs.link import Link, new_command_id
from cockpit.runs.liveness import TAKE_UP_AFTER_S
from cockpit.runs.state import RunState
from cockpit.runs.stopping import stopping
from cockpit.runs.summary import RunSummary
from cockpit.settings import Settings
from cockpit.text.numbers import duration
from cockpit.text.output import is_output_lost

POLL_S = 0.1
ABORT_AFTER_S = 5.0
"""How long the second Ctrl-C waits for the engine to drop its step before the process is ended."""
WAITING = {
    "starting": "The engine has not begun yet; waiting for it.",
    "silent": "The engine is out of sight, as on another machine, and gives no sign of life; waiting for it. Ctrl-C "
    "ends this.",
}
EXIT_STATUS = {"completed": 0, "stopped": 130, "failed": 1, "out_of_memory": 1}


class Interrupts:
    """Counts Ctrl-C (and SIGTERM and SIGUSR1, which are as good as the first)."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        self.count += 1


@contextmanager
def interrupts_counted() -> Iterator[Interrupts]:
    """Count interrupts in place of being ended by them."""
    counter = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield counter
        return
    before = {number: signal.signal(number, counter) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield counter
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def follow(
    link: Link,
    report: Report,
    started: StartedEngine | None = None,
    interrupts: Interrupts | None = None,
    attempt: int = 1,
) -> int:
    """Tell `report` all that happens until the run has ended. The exit status: 0 completed, 130 stopped, 1 failed.

    The first interrupt asks the engine to stop and save, the second to drop what is under way; then `started`, our own
    engine, is ended if it does not obey. Without `interrupts`, Ctrl-C is left to the caller. Of attempts before
    `attempt` nothing is told.
    """
    state = RunState()
    asked, deadline, waits = 0, None, ""
    attempt_asked, heard = 1, 0  # what was asked for is for one attempt: `heard` interrupts were for those before it
    while True:
        gone = _is_gone(link, started)  # asked before the poll: what an engine wrote before it went is then read
        batch = link.poll()
        for event in batch:
            state.apply(event)
            if state.attempt > attempt_asked:
                attempt_asked, heard, asked, deadline = state.attempt, heard + asked, 0, None
            if event.attempt < attempt:
                continue
            report.tell(event, state)
            if isinstance(event, RunEnded) and not _goes_on(event, batch, link):
                return EXIT_STATUS[event.outcome]
        if not batch and link.liveness() == "silent" and (silence := link.run.silence_s()) > TAKE_UP_AFTER_S:
            report.say(
                f"The engine has given no sign of life for {duration(silence)}, at step {state.step}; if it has ended, "
                f"resume with: cockpit resume {shlex.quote(link.run.id)} --force"
            )
            return 1
        if started is None and is_output_lost():
            return 1  # nobody is told any more, and the run goes on without us
        if gone and not batch:
            report.say(
                f"The engine has gone without ending the run, at step {state.step}; its log: {link.run.engine_log}"
            )
            for label, text in Crash.of(link.run, state).lines():
                report.say(f"{label}: {text}" if label else text)
            return 1
        if interrupts and interrupts.count - heard > asked:
            asked += 1
            if asked == 1:
                now = stopping(state)
                hurry = f"drops the {now.under_way} and saves nothing" if now.under_way else "does not wait for that"
                report.say(f"Stopping. {now.sentence} Ctrl-C again {hurry}.")
            else:
                report.say("Aborting: nothing more is saved.")
                deadline = deadline or time.monotonic() + ABORT_AFTER_S
            try:
                link.send(Stop(id=new_command_id(), save=asked == 1))
            except OSError as error:
                report.say(f"The engine could not be asked: {error.strerror or error}.")
        if started and deadline and (time.monotonic() > deadline or asked > 2):
            try:
                started.abort(state.step)
            except OSError as error:
                report.say(f"The engine was ended; its log does not say so: {error.strerror or error}.")
            for event in link.poll():
                report.tell(event, state)
            return 130
        why = "" if batch else WAITING.get(link.liveness(), "")
        if why and why != waits:
            report.say(why)
        waits = why
        if not batch:
            time.sleep(POLL_S)


def tell_ways_on(run: RunDir, report: Report, status: int) -> None:
    """What can be done with a run that has ended with this exit status: ask its result, or go on with it."""
    name = shlex.quote(run.id)
    if spent := cost_of(run):
        report.say(spent)
    if run.result is not None:
        report.say(f"The {run.result.name} is in {run.result}; ask it with: cockpit chat {name} -p QUESTION")
    has_checkpoint = newest_complete(run.checkpoints)[0] is not None
    if status and has_checkpoint:
        report.say(f"Resume from its newest checkpoint with: cockpit resume {name}")
    for one in RunSummary.of(run).relaunches if status else ():
        report.say(f"With less memory ({one.why}): {relaunch_command(run, one, has_checkpoint=has_checkpoint)}")


def cost_of(run: RunDir) -> str:
    """What the run has cost, in a sentence; empty where no price is set or it is not known."""
    try:
        price = Settings.read().gpu_hour
    except ValueError as error:
        return str(error)
    if price is None:
        return ""
    details = RunDetails.of(run)
    if details.took_s is None or not details.gpus:
        return ""
    gpus = "one GPU" if details.gpus == 1 else f"{details.gpus} GPUs"
    return f"It held {gpus} for {duration(details.took_s)}: {price.of(details.gpus * details.took_s)}, at {price}."


def relaunch_command(run: RunDir, relaunch: Relaunch, *, has_checkpoint: bool) -> str:
    """The command that launches a run again which has run out of memory: from its newest checkpoint if there is one
    and the settings allow it, else anew."""
    goes_on = has_checkpoint and relaunch.resumes
    words = ["cockpit", "resume", run.id] if goes_on else ["cockpit", "train", str(run.recipe)]
    return shlex.join([*words, *(word for setting in relaunch.settings for word in ("--set", setting))])


def _goes_on(ending: RunEnded, batch: list[AnyEvent], link: Link) -> bool:
    """Whether the run was taken up again after this end."""
    return ending.attempt < max(batch[-1].attempt, newest_attempt(link.run.events))


def _is_gone(link: Link, started: StartedEngine | None) -> bool:
    """Whether no engine can write to this run any more."""
    if started is not None:  # the log may still end with the exit of an engine before it
        return started.process.poll() is not None
    return link.liveness() in ("lost", "exited")
