"""What a run that has ended took of its machine, read from the two ends of its logs"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from cockpit.protocol import events as ev
from cockpit.protocol.event_log import EventReader
from cockpit.runs.folder import RunDir

END_BYTES = 1 << 20
"""Read of each end of a log: the allocator gives nothing back while a run trains, so that its peak is at the end."""


@dataclass(frozen=True)
class MeasuredRun:
    """`peak_mib`: the most that the run's process held of one GPU, as the driver says; None where it does not know.
    `step_s`: of a usual optimizer step; `other_s`: all else from the start to the end, such as loading and evaluation.
    `mean_tokens`: of a row, padding left out."""

    gpu: str
    peak_mib: float | None
    step_s: float | None
    other_s: float | None
    mean_tokens: float
    versions: dict[str, str]
    ended_at: float

    @classmethod
    def of(cls, run: RunDir) -> MeasuredRun | None:
        """None for a run that has not ended well, was resumed, or whose log does not tell."""
        head, tail = _ends(run, "events")
        started = next((event for event in head if isinstance(event, ev.RunStarted)), None)
        data = next((event for event in head if isinstance(event, ev.DataPrepared)), None)
        ended = next((event for event in reversed(tail) if isinstance(event, ev.RunEnded)), None)
        if started is None or data is None or ended is None or ended.outcome != "completed" or ended.attempt != 1:
            return None
        steps = [event for event in tail if isinstance(event, ev.StepEnded) and event.attempt == 1]
        times = [event.step_time_s for event in steps if event.step_time_s is not None]
        step_s = statistics.median(times) if times else None
        other_s = max(0.0, ended.at - started.at - step_s * steps[-1].step) if step_s is not None else None
        gpu, peak = _peak(run, ended.at)
        mean = data.tokens / data.train_rows if data.train_rows else 0.0
        return cls(gpu, peak, step_s, other_s, mean, dict(started.versions), ended.at)


def _peak(run: RunDir, until: float) -> tuple[str, float | None]:
    """The GPU's name, and MiB; readings of a chat after the run do not count."""
    most: tuple[str, float | None] = ("", None)
    for event in [one for end in _ends(run, "gpu") for one in end]:
        if not isinstance(event, ev.MachineRead) or event.at > until:
            continue
        for gpu in event.gpus:
            held = gpu.vram_this_run_mib
            if held is not None and held > (most[1] or 0.0):
                most = (gpu.name, held)
    return most


def _ends(run: RunDir, log: str) -> tuple[list[ev.AnyEvent], list[ev.AnyEvent]]:
    path = run.gpu if log == "gpu" else run.events
    head, tail = EventReader(path), EventReader(path, END_BYTES)
    try:
        return _some(head), _some(tail)
    finally:
        head.close()
        tail.close()


def _some(reader: EventReader) -> list[ev.AnyEvent]:
    found: list[ev.AnyEvent] = []
    for _ in range(2 + END_BYTES // (1 << 17)):
        more = reader.poll()
        if not more:
            break
        found += more
    return found
