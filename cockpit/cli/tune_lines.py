"""What cockpit tune prints: a line a probe, and on a terminal one below them that is drawn over"""

from __future__ import annotations

from typing import TextIO

from cockpit.cli.terminal import ProgressLines
from cockpit.runs.labels import PHASES
from cockpit.text.numbers import count, duration, metric, size
from cockpit.tuning.told import PROBE_OUTCOMES, ProbeEnded, ProbeStarted, ProbeWent, Told, TuneEnded, TuneStarted

MIB = 1 << 20


class TuneLines:
    """Called with all that is told."""

    def __init__(self, out: TextIO) -> None:
        self._lines = ProgressLines(out)
        self._name = ""

    def __call__(self, told: Told) -> None:
        """Print the line, if it has one."""
        if isinstance(told, ProbeStarted):
            self._name = told.name
            self._lines.draw(f"{told.number:>3}  {told.name}")
        elif isinstance(told, ProbeWent):
            pace = f", {count(told.tokens_s)} tokens/s" if told.tokens_s else ""
            step = f"step {told.steps}{pace}" if told.steps else _doing(told.phase)
            self._lines.draw(f"{told.number:>3}  {self._name}: {step}")
        else:
            for line in lines_of(told):
                self._lines.say(line)


def lines_of(told: TuneStarted | ProbeEnded | TuneEnded) -> list[str]:
    """In words and figures."""
    if isinstance(told, TuneStarted):
        total = f", {size(told.total_mib * MIB)}" if told.total_mib else ""
        where = f"{told.gpu}{total}" if told.gpu else "the CPU"
        return [f"{told.recipe} on {where}, for {duration(told.budget_s)}", *([told.busy] if told.busy else [])]
    if isinstance(told, TuneEnded):
        if not told.number:
            return []
        times = f", {told.times:.2f} times as fast as written" if told.times is not None and told.settings else ""
        stopped = "; stopped" if told.stopped else ""
        return [f"fastest: {told.number}  {told.name}{times} (took {duration(told.took_s)}{stopped})"]
    return [line_of(told)]


def line_of(probe: ProbeEnded) -> str:
    """`  2  8 × 1, not checkpointed, rows padded to 256    6,310 tokens/s  4.53x  37 GiB  loss 2.01 -0.1 %`."""
    parts = [f"{probe.number:>3}  {probe.name:<56}"]
    if probe.tokens_s is not None:
        parts.append(f"{count(probe.tokens_s):>8} tokens/s")
        parts.append(f"{probe.times:>5.2f}x" if probe.times is not None else "")
    if probe.peak_mib is not None:
        parts.append(f"{size(probe.peak_mib * MIB):>8}")
    if probe.loss is not None:
        off = "" if probe.loss_off is None else f" {100 * probe.loss_off:+z.1f} %"
        parts.append(f"loss {metric(probe.loss)}{off}")
    if probe.marks:
        parts.append(f"(changes more: {probe.marks})")
    if probe.outcome != "measured":
        parts.append(f"{PROBE_OUTCOMES.get(probe.outcome, probe.outcome)}{': ' if probe.reason else ''}{probe.reason}")
    return "  ".join(filter(None, parts))


def _doing(phase: str) -> str:
    label = PHASES.get(phase)  # type: ignore[call-overload]
    return phase if label is None else str(label.doing)
