"""What is told of a run to somebody who is elsewhere: that it has ended, or that a watchdog speaks; with its facts"""

from __future__ import annotations

from typing import NamedTuple

from cockpit.protocol import events as ev
from cockpit.runs.cost import cost
from cockpit.runs.labels import OUTCOMES
from cockpit.runs.state import RunState
from cockpit.settings import Price
from cockpit.text.numbers import count, duration, metric
from cockpit.text.plain_text import plain_line, without_logins
from cockpit.text.sparks import sparks

CURVE_STEPS = 2048
"""The last so many steps make the curve."""


class Told(NamedTuple):
    """`kind` is good, warning or bad."""

    title: str
    body: str
    kind: str


def message_of(event: ev.AnyEvent, run_id: str, state: RunState, price: Price | None = None) -> Told | None:
    """What to tell of the event, once `state` has taken it in; None for one that nobody need be called for."""
    name = plain_line(run_id)
    if isinstance(event, ev.RunEnded):
        kind = {"completed": "good", "stopped": "warning"}.get(event.outcome, "bad")
        said = plain_line(" ".join(filter(None, (event.reason, event.advice))))
        title = f"{name}: {OUTCOMES[event.outcome].lower()}"
        return Told(title, without_logins("\n".join(filter(None, (said, _facts(state, price))))), kind)
    if isinstance(event, ev.WatchdogFired):
        said = plain_line(" ".join(filter(None, (event.finding, event.advice))))
        title = f"{name}: {plain_line(event.watchdog).replace('_', ' ')}"
        return Told(title, without_logins(f"{said}\n{_facts(state, price)}"), "warning")
    return None


def _facts(state: RunState, price: Price | None) -> str:
    planned = f"/{count(state.total_steps)}" if state.total_steps else ""
    parts = [f"step {count(state.step)}{planned}"]
    main, kept = state.main, state.kept_evaluation
    course = [value for value in state.steps.recent(main.name, CURVE_STEPS) if value is not None]
    if course:
        parts.append(f"{plain_line(main.label)} {metric(course[-1])} {sparks(course)}")
    if kept is not None and (value := kept.figures.get(f"eval_{main.name}")) is not None:
        parts.append(f"held-out {metric(value)}")
    if (eta := state.eta()) is not None:
        parts.append(f"ETA {duration(eta[0])}")
    elif state.elapsed_s is not None:
        parts.append(f"took {duration(state.elapsed_s)}")
    if (spent := cost(state, price)) is not None:
        parts.append(spent)
    return ", ".join(parts)
