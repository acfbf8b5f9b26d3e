"""What a command prints of a run: the events themselves, clean lines, or lines and one live line on a terminal."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Protocol, TextIO

from cockpit.cli.terminal import is_drawable
from cockpit.protocol import event_lines
from cockpit.protocol import events as ev
from cockpit.runs.labels import PHASES
from cockpit.runs.message import message_of
from cockpit.runs.sentences import sentence
from cockpit.runs.state import RunState
from cockpit.settings import Settings
from cockpit.text import numbers
from cockpit.text.plain_text import plain_text, without_logins
from cockpit.text.terminal_call import terminal_call


class Report(Protocol):
    """Told of each event after `state` has taken it in."""

    def tell(self, event: ev.AnyEvent, state: RunState) -> None:
        """Print what there is to say."""
        ...

    def say(self, text: str) -> None:
        """A sentence that is no event, for the person who watches."""
        ...


def report_for(as_json: bool) -> Report:
    """The report that fits standard output."""
    if as_json:
        return JsonReport(sys.stdout)
    return LiveReport(sys.stdout) if is_drawable() else LineReport(sys.stdout)


class JsonReport:
    """The events as they stand in the log, a line each; sentences go to stderr.

    Characters that a terminal might act on are escaped as JSON has it, so the values are the same.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def tell(self, event: ev.AnyEvent, state: RunState) -> None:
        """Print the event."""
        line = event_lines.encode(event).decode().rstrip("\n")
        if plain_text(line) != line:
            line = "".join(char if plain_text(char) == char else _escaped(char) for char in line)
        self._out.write(line + "\n")
        self._out.flush()

    def say(self, text: str) -> None:
        """Print a sentence to stderr."""
        print(_one_line(text), file=sys.stderr, flush=True)


class LineReport:
    """One clean line for each thing that happened; no control characters."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def tell(self, event: ev.AnyEvent, state: RunState) -> None:
        """Print the event's line, if it has one."""
        text = step_line(state) if isinstance(event, ev.StepEnded) else sentence(event, state.main)
        if isinstance(event, ev.LogWritten) and event.level != "info":
            text = f"{event.level}: {text}"
        elif isinstance(event, ev.WatchdogFired):
            text = f"warning: {text}"
        if text:
            self.say(text, event.at)

    def say(self, text: str, at: float | None = None) -> None:
        """Print `text` behind the time of day."""
        clock = time.strftime("%H:%M:%S", time.localtime(at))
        print(f"{clock}  {_one_line(text)}", file=self._out, flush=True)


class LiveReport(LineReport):
    """Lines, and below them one that is drawn over as the run goes on; at the end the terminal calls."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._began = time.time()

    def tell(self, event: ev.AnyEvent, state: RunState) -> None:
        """Print the event's line above the live one, and draw that anew."""
        if not isinstance(event, ev.StepEnded):
            super().tell(event, state)
        self._draw(live_line(state))
        if isinstance(event, ev.RunEnded) and state.run is not None and event.at >= self._began and _calls():
            told = message_of(event, state.run.run_id, state)
            self._out.write(terminal_call(told.title, told.body) if told is not None else "")
            self._out.flush()

    def say(self, text: str, at: float | None = None) -> None:
        """Print `text` where the live line stood."""
        self._out.write("\r\x1b[K")
        super().say(text, at)

    def _draw(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._out.write("\r\x1b[K" + _one_line(text)[:width])
        self._out.flush()


def _calls() -> bool:
    try:
        return Settings.read().terminal_notify
    except ValueError:
        return True


def step_line(state: RunState) -> str:
    """The figures of the newest step."""
    steps = state.steps
    parts = [
        f"step {numbers.count(state.step)}/{numbers.count(state.total_steps)}",
        f"{plain_text(state.main.label)} {numbers.metric(steps.latest(state.main.name))}",
        f"lr {numbers.learning_rate(steps.latest('learning_rate'))}",
        f"grad norm {numbers.metric(steps.latest('grad_norm'))}",
        f"{numbers.count(state.tokens_per_s())} tokens/s",
    ]
    eta = state.eta()
    if eta:
        parts.append(f"ETA {numbers.duration(eta[0])}")
    return "  ".join(parts)


def live_line(state: RunState) -> str:
    """One line for the whole state: the step's figures, or the phase and how far it is."""
    if state.ended or state.phase is None:
        return ""
    text = "" if state.stop_requested is None else "stopping  " if state.stop_requested.save else "dropping the step  "
    if state.step and state.phase.phase == "training":
        return text + step_line(state)
    text += PHASES[state.phase.phase].doing
    progress = state.progress
    if progress and progress.total:
        far = f"{numbers.count(progress.done)}/{numbers.count(progress.total)} {progress.unit}"
        if progress.unit == "B":
            far = f"{numbers.size(progress.done)}/{numbers.size(progress.total)}"
            if pace := state.progress_pace():
                far += f"  {numbers.size(pace[0])}/s  ETA {numbers.duration(pace[1])}"
        text += f"  {numbers.percent(progress.done / progress.total)}  {far}"
    return text


def _escaped(char: str) -> str:
    """As JSON writes a character that it does not show; all that plain_text takes out lies in the basic plane."""
    return f"\\u{ord(char):04x}"


def _one_line(text: str) -> str:
    """Plain text on one line, its columns kept apart."""
    return without_logins(plain_text(text)).replace("\n", " ")
