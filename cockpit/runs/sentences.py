"""What an event says in a sentence, for the log pane and the commands alike: plain text without markup."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.protocol import events as ev
from cockpit.runs.labels import OUTCOMES, PHASES
from cockpit.text.numbers import count, duration, metric, percent, size
from cockpit.text.plain_text import plain_line

SAMPLE_CHARACTERS = 160
"""Of a prompt and of its answer, in a sentence."""
LOG_LINES = 2000
"""How many lines of a run's log are kept."""


@dataclass(frozen=True)
class LogLine:
    """A line of the log; `at` in Unix seconds, `level` info, warning or error."""

    at: float
    level: str
    text: str


def log_line(event: ev.AnyEvent, main: ev.MainFigure = ev.LOSS) -> LogLine | None:
    """The line that a run's log has of an event; None for one that has its own place on the screen or tells nothing.

    What others wrote in it is not cleaned yet.
    """
    is_told = not isinstance(event, ev.PhaseStarted) or event.phase == "paused"
    if isinstance(event, ev.SampleAnswered):
        is_told = event.end == "failed"  # the others have a panel
    text = sentence(event, main) if is_told else ""
    if not text:
        return None
    if isinstance(event, ev.LogWritten):
        return LogLine(event.at, event.level, text)
    bad = isinstance(event, ev.RunEnded) and event.outcome in ("failed", "out_of_memory")
    bad = bad or (isinstance(event, ev.ExportEnded) and bool(event.reason or event.unlike))
    is_warned = isinstance(event, ev.WatchdogFired)
    return LogLine(event.at, "error" if bad else "warning" if is_warned else "info", text)


def sentence(event: ev.AnyEvent, main: ev.MainFigure = ev.LOSS) -> str:
    """What there is to say of the event; empty for one that is not worth a line. What others wrote is not cleaned."""
    match event:
        case ev.LogWritten():
            return event.text
        case ev.PhaseStarted():
            return _of_phase(event)
        case ev.RunStarted():
            if not event.versions and not event.gpus:  # of another trainer's run nobody says on what
                return f"Run {event.run_id} has begun"
            where = ", ".join(event.gpus) or "the CPU"
            fitted = f"; {event.fitted}" if event.fitted else ""
            return f"Run {event.run_id} started on {where}{fitted}"
        case ev.DataPrepared():
            return _of_data(event)
        case ev.TrainingPlanned():
            trained, total = event.trainable_parameters, event.total_parameters
            if not total:
                return f"{count(event.total_steps)} steps planned"
            share = f" ({100 * trained / total:.2f} %)" if total else ""
            weights = f"{count(trained)} of {count(total)} parameters are trained{share}"
            return f"{count(event.total_steps)} steps planned; {weights}"
        case ev.ScheduleChanged():
            return _of_schedule(event)
        case ev.TrainingResumed():
            if not event.path:
                return f"Attempt {event.attempt} begins anew"
            return f"Attempt {event.attempt} resumes after step {count(event.step)}, from {event.path}"
        case ev.Evaluated() if found := _held_out(event, main):
            when = f"after step {count(event.step)}" if event.step else "before training"
            took = f", measured in {duration(event.duration_s)}" if event.duration_s is not None else ""
            return f"Held-out {found} {when}{took}"
        case ev.SampleAnswered():
            return _of_sample(event)
        case ev.AnswersMeasured():
            return _of_answers(event)
        case ev.CheckpointSaved():
            return f"Checkpoint of step {count(event.step)} saved, {size(event.size_bytes)}"
        case ev.TrackingStarted():
            return f"Its figures go to {event.tracker} too: {event.link}"
        case ev.AdapterSaved():
            what = "Model" if event.path == "model" else "Adapter"
            return f"{what} saved, {size(event.size_bytes)}"
        case ev.ExportStarted() | ev.ExportProgressed() | ev.ExportEnded():
            return _of_export(event)
        case ev.StopRequested():
            return "A stop was requested" if event.save else "A stop without saving was requested"
        case ev.WatchdogFired():
            done = {"pause": " Training waits now.", "stop": " The run stops."}.get(event.action, "")
            return " ".join(filter(None, (f"Watchdog {event.watchdog}: {event.finding}", event.advice))) + done
        case ev.WatchdogCleared():
            return f"Watchdog {event.watchdog}: all is well again after step {count(event.step)}"
        case ev.RunEnded():
            said = " ".join(filter(None, (event.reason, event.advice)))
            return f"{OUTCOMES[event.outcome]} after step {count(event.step)}" + (f": {said}" if said else "")
        case ev.ModelUnloaded():
            return f"Model unloaded: {event.reason}"
        case ev.EngineExited():
            return f"Engine ended: {event.reason}"
    return ""


def _held_out(event: ev.Evaluated, main: ev.MainFigure) -> str:
    """What the run is judged by, then the loss, as far as they were measured."""
    known = [(one.label, event.figures.get(f"eval_{one.name}")) for one in dict.fromkeys((main, ev.LOSS))]
    return ", ".join(f"{plain_line(label)} {metric(value)}" for label, value in known if value is not None)


def _of_sample(event: ev.SampleAnswered) -> str:
    when = f"after step {count(event.step)}" if event.step else "before training"
    asked = f"Sample {event.index + 1} {when}: {_shortened(event.prompt)}"
    if event.end == "failed":
        return f"{asked} – {event.reason or 'no answer'}"
    return f"{asked} → {_shortened(event.text) or 'nothing'}{'' if event.end == 'end_of_turn' else ' …'}"


def _of_answers(event: ev.AnswersMeasured) -> str:
    when = f"after step {count(event.step)}" if event.step else "before training"
    measured = ", ".join(f"{name.removeprefix('eval_')} {percent(value)}" for name, value in event.figures.items())
    return f"{count(event.answers)} answers {when}: {measured}, in {duration(event.duration_s)}"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SAMPLE_CHARACTERS else f"{line[: SAMPLE_CHARACTERS - 1]}…"


def _of_schedule(event: ev.ScheduleChanged) -> str:
    what = [f"Learning rate times {event.factor:.4g}"] if event.factor != 1 else []
    if event.added_steps:
        what.append(f"{count(event.added_steps)} more steps, {count(event.total_steps)} in all")
    in_all = f" (times {event.rate_factor:.4g} in all)" if event.factor != event.rate_factor else ""
    return f"{', '.join(what) or 'The schedule as planned'}{in_all} after step {count(event.step)}"


def _of_phase(event: ev.PhaseStarted) -> str:
    doing = PHASES[event.phase].doing
    detail = f": {event.detail}" if event.detail and event.detail not in doing else ""
    return doing[0].upper() + doing[1:] + detail


def _of_data(event: ev.DataPrepared) -> str:
    others = [
        f"{count(rows)} {what}"
        for rows, what in (
            (event.eval_rows, "held out"),
            (event.skipped_rows, "left out"),
            (event.truncated_rows, "cut short"),
            (event.split_rows, "split"),
            (event.dropped_rows, "left out as duplicates"),
        )
        if rows
    ]
    trained = f" ({percent(event.trained_tokens / event.tokens)} trained)" if event.tokens else ""
    return ", ".join(
        [
            f"{count(event.train_rows)} {event.unit} to train on",
            *others,
            f"{count(event.tokens)} tokens an epoch{trained}",
        ]
    )


def _of_export(event: ev.ExportStarted | ev.ExportProgressed | ev.ExportEnded) -> str:
    match event:
        case ev.ExportStarted():
            return f"Export as {event.form} into {event.path} has begun"
        case ev.ExportProgressed():
            return f"Export: {event.task}"
        case _ if event.reason:
            return " ".join(filter(None, (f"Export failed: {event.reason}", event.advice)))
    where = event.path + (f" and {event.repository} on the Hub" if event.repository else "")
    stands = f"Exported as {event.form}: {where}, {size(event.size_bytes)}"
    return f"{stands}. {event.unlike}" if event.unlike else stands
