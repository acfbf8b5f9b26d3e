"""What cockpit lr prints: a line a rate, and in the end all of them as a chart, with the one to take"""

from __future__ import annotations

from typing import TextIO

from cockpit.cli.terminal import ProgressLines
from cockpit.runs.labels import PHASES
from cockpit.text.numbers import count, duration, learning_rate, metric
from cockpit.text.sparks import sparks
from cockpit.tuning.rates import RateEnded, RatesEnded, RatesStarted, RateStarted, RateTold, RateWent
from cockpit.tuning.told import PROBE_OUTCOMES

OUTCOMES = PROBE_OUTCOMES | {"diverged": "diverged"}
BAR_CELLS = 40


class RateLines:
    """Called with all that is told."""

    def __init__(self, out: TextIO) -> None:
        self._lines = ProgressLines(out)
        self._started: RatesStarted | None = None
        self._rate = 0.0
        self._ended: list[RateEnded] = []

    def __call__(self, told: RateTold) -> None:
        """Print the line, if it has one."""
        match told:
            case RatesStarted():
                self._started = told
                self._lines.say(
                    f"{told.recipe}: {count(told.steps)} steps at each rate, measured on up to {count(told.held_out)} "
                    f"held-out rows; a model of its size usually takes {learning_rate(told.usual)}"
                )
            case RateStarted():
                self._rate = told.rate
                self._lines.draw(f"{told.number:>3}  {learning_rate(told.rate)}")
            case RateWent():
                label = PHASES.get(told.phase)  # type: ignore[call-overload]
                doing = f"step {told.steps}" if told.steps else told.phase if label is None else str(label.doing)
                self._lines.draw(f"{told.number:>3}  {learning_rate(self._rate)}: {doing}")
            case RateEnded():
                self._ended.append(told)
                self._lines.say(self._line(told))
            case RatesEnded():
                for line in chart(self._ended, told):
                    self._lines.say(line)

    def _line(self, told: RateEnded) -> str:
        parts = [f"{told.number:>3}  {learning_rate(told.rate):<9}"]
        if told.outcome == "measured":
            parts.append(f"held-out loss {metric(told.loss)}")
        else:
            parts.append(": ".join(filter(None, (OUTCOMES.get(told.outcome, told.outcome), told.reason))))
        parts.append(sparks(told.losses))
        if self._started is not None and told.rate == self._started.written:
            parts.append("as written")
        return "  ".join(filter(None, parts))


def chart(rates: list[RateEnded], ended: RatesEnded) -> list[str]:
    """A bar for each rate that was measured, lowest rate first: the shortest has the lowest loss."""
    measured = [one.loss for one in rates if one.outcome == "measured" and one.loss is not None]
    if ended.rate is None or not measured:
        return []
    low, reach = min(measured), (max(measured) - min(measured)) or 1.0
    lines = ["", "held-out loss by learning rate"]
    for one in sorted(rates, key=lambda rate: rate.rate):
        if one.outcome == "measured" and one.loss is not None:
            bar = "#" * (1 + round((one.loss - low) / reach * (BAR_CELLS - 1)))
            said = f"{metric(one.loss):>8}  {bar}"
        else:
            said = f"{'':>8}  {OUTCOMES.get(one.outcome, one.outcome)}"
        lines.append(f"  {learning_rate(one.rate):<9}{said}{'  <- this one' if one.rate == ended.rate else ''}")
    stopped = "; stopped" if ended.stopped else ""
    return [*lines, "", f"take: {learning_rate(ended.rate)} (took {duration(ended.took_s)}{stopped})"]
