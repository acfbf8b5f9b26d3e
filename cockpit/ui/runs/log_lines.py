"""What the log pane says of an event: the engine's own lines as they are, and the landmarks of a run in a sentence."""

from __future__ import annotations

from cockpit.protocol import events as ev
from cockpit.runs.state import LogLine
from cockpit.text.numbers import count, duration, metric, size

OUTCOMES = {
    "completed": "Training is complete",
    "stopped": "Training was stopped",
    "failed": "Training has failed",
    "out_of_memory": "Training ran out of memory",
}


def log_line(event: ev.AnyEvent) -> LogLine | None:
    """The line of an event, or None for one that is shown elsewhere. What others wrote in it is not cleaned yet."""
    if isinstance(event, ev.StepEnded | ev.MachineRead | ev.ReplyGrew):
        return None
    if isinstance(event, ev.LogWritten):
        return LogLine(event.at, event.level, event.text)
    text = _landmark(event)
    if not text:
        return None
    bad = isinstance(event, ev.RunEnded) and event.outcome in ("failed", "out_of_memory")
    bad = bad or (isinstance(event, ev.ExportEnded) and bool(event.reason))
    return LogLine(event.at, "error" if bad else "info", text)


def _landmark(event: ev.AnyEvent) -> str:
    match event:
        case ev.RunStarted():
            where = ", ".join(event.gpus) or "the CPU"
            return f"Run {event.run_id} started on {where}"
        case ev.DataPrepared():
            rows = f"{count(event.train_rows)} rows to train on"
            parts = [f"{count(event.eval_rows)} held out"] if event.eval_rows else []
            parts += [f"{count(event.skipped_rows)} left out"] if event.skipped_rows else []
            parts += [f"{count(event.truncated_rows)} cut short"] if event.truncated_rows else []
            return ", ".join([rows, *parts, f"{count(event.tokens)} tokens an epoch"])
        case ev.TrainingPlanned():
            trained, total = count(event.trainable_parameters), count(event.total_parameters)
            return f"{count(event.total_steps)} steps planned; {trained} of {total} weights are trained"
        case ev.TrainingResumed():
            return f"Attempt {event.attempt} goes on after step {count(event.step)}, from {event.path}"
        case ev.Evaluated() if "eval_loss" in event.metrics:
            when = f"after step {count(event.step)}" if event.step else "before training"
            return (
                f"Held-out loss {metric(event.metrics['eval_loss'])} {when}, measured in {duration(event.duration_s)}"
            )
        case ev.CheckpointSaved():
            return f"Checkpoint of step {count(event.step)} saved, {size(event.size_bytes)}"
        case ev.AdapterSaved():
            what = "Model" if event.path == "model" else "Adapter"
            return f"{what} saved, {size(event.size_bytes)}"
        case ev.ExportStarted():
            return f"Export as {event.form} into {event.path} has begun"
        case ev.ExportProgressed():
            return f"Export: {event.task}"
        case ev.ExportEnded():
            if event.reason:
                return " ".join(filter(None, (f"Export failed: {event.reason}", event.advice)))
            where = event.path + (f" and {event.repository} on the Hub" if event.repository else "")
            return f"Exported as {event.form}: {where}, {size(event.size_bytes)}"
        case ev.RunEnded():
            return f"{OUTCOMES[event.outcome]} after step {count(event.step)}" + (
                f": {event.reason}" if event.reason else ""
            )
        case ev.ModelUnloaded():
            return f"Model unloaded: {event.reason}"
        case ev.EngineExited():
            return f"Engine ended: {event.reason}"
    return ""
