"""What a command prints of a run: the events themselves, clean lines, or lines and one live line on a terminal."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Protocol, TextIO

from cockpit.protocol import events as ev
from cockpit.runs.state import RunState
from cockpit.text import numbers
from cockpit.text.plain_text import plain_text

PHASES = {
    "importing": "importing the training stack",
    "standby": "ready to start",
    "downloading": "downloading",
    "loading_model": "loading the model",
    "preparing_data": "preparing the data",
    "compiling": "the first step, which compiles on a GPU",
    "training": "training",
    "evaluating": "measuring the held-out rows",
    "saving": "saving",
    "ready": "ready",
}


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
    return LiveReport(sys.stdout) if sys.stdout.isatty() else LineReport(sys.stdout)


class JsonReport:
    """The events as they stand in the log, a line each; sentences go to stderr.

    Characters that a terminal might act on are escaped as JSON has it, so the values are the same.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def tell(self, event: ev.AnyEvent, state: RunState) -> None:
        """Print the event."""
        line = ev.encode(event).decode().rstrip("\n")
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
        text = step_line(state) if isinstance(event, ev.StepEnded) else sentence(event)
        if text:
            self.say(text, event.at)

    def say(self, text: str, at: float | None = None) -> None:
        """Print `text` behind the time of day."""
        clock = time.strftime("%H:%M:%S", time.localtime(at))
        print(f"{clock}  {_one_line(text)}", file=self._out, flush=True)


class LiveReport(LineReport):
    """Lines, and below them one that is drawn over as the run goes on."""

    def tell(self, event: ev.AnyEvent, state: RunState) -> None:
        """Print the event's line above the live one, and draw that anew."""
        if not isinstance(event, ev.StepEnded):
            super().tell(event, state)
        self._draw(live_line(state))

    def say(self, text: str, at: float | None = None) -> None:
        """Print `text` where the live line stood."""
        self._out.write("\r\x1b[K")
        super().say(text, at)

    def _draw(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._out.write("\r\x1b[K" + _one_line(text)[:width])
        self._out.flush()


def sentence(event: ev.AnyEvent) -> str:
    """What a line says of the event; empty for events that are not worth one."""
    match event:
        case ev.RunStarted():
            where = ", ".join(event.gpus) or "the CPU"
            return f"run {event.run_id} started on {where}"
        case ev.PhaseStarted():
            detail = f": {event.detail}" if event.detail and event.detail not in PHASES[event.phase] else ""
            return PHASES[event.phase] + detail
        case ev.DataPrepared():
            share = event.trained_tokens / event.tokens if event.tokens else None
            line = f"{numbers.count(event.train_rows)} rows, {numbers.count(event.tokens)} tokens"
            line += f" ({numbers.percent(share)} trained)"
            extra = [
                (event.eval_rows, "held out"),
                (event.skipped_rows, "skipped"),
                (event.truncated_rows, "truncated"),
            ]
            return ", ".join([line, *(f"{numbers.count(number)} {what}" for number, what in extra if number)])
        case ev.TrainingPlanned():
            share = event.trainable_parameters / event.total_parameters if event.total_parameters else 0
            return (
                f"{numbers.count(event.total_steps)} steps, {numbers.count(event.trainable_parameters)} of "
                f"{numbers.count(event.total_parameters)} parameters trained ({share:.2%})"
            )
        case ev.TrainingResumed():
            return f"attempt {event.attempt} resumes from {event.path}"
        case ev.Evaluated():
            loss = numbers.metric(event.metrics.get("eval_loss"))
            return f"held-out loss after step {numbers.count(event.step)}: {loss}"
        case ev.CheckpointSaved():
            return f"checkpoint {numbers.count(event.step)} saved, {numbers.size(event.size_bytes)}"
        case ev.AdapterSaved():
            what = "model" if event.path == "model" else "adapter"
            return f"{what} saved in {event.path}, {numbers.size(event.size_bytes)}"
        case ev.ExportStarted():
            return f"export as {event.form} into {event.path}"
        case ev.ExportProgressed():
            return event.task
        case ev.ExportEnded():
            if event.reason:
                return " ".join(filter(None, (f"export failed: {event.reason}", event.advice)))
            where = event.path + (f" and {event.repository} on the Hub" if event.repository else "")
            return f"exported as {event.form}: {where}, {numbers.size(event.size_bytes)}"
        case ev.LogWritten():
            return event.text if event.level == "info" else f"{event.level}: {event.text}"
        case ev.RunEnded():
            parts = [ENDINGS[event.outcome] + f" after step {numbers.count(event.step)}", event.reason, event.advice]
            return ". ".join(part.rstrip(".") for part in parts if part) + "."
    return ""


ENDINGS = {"completed": "Completed", "stopped": "Stopped", "failed": "Failed", "out_of_memory": "Out of memory"}


def step_line(state: RunState) -> str:
    """The figures of the newest step."""
    steps = state.steps
    parts = [
        f"step {numbers.count(state.step)}/{numbers.count(state.total_steps)}",
        f"loss {numbers.metric(steps.latest('loss'))}",
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
    if state.step and state.phase.phase == "training":
        return step_line(state)
    text = PHASES[state.phase.phase]
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
    return plain_text(text).replace("\n", " ")
