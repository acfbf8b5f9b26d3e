"""What a card says of a run: how it ended, what it came to, what is left of it, what it was trained on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cockpit.runs.label import Label
from cockpit.runs.labels import STATES
from cockpit.text.numbers import UNKNOWN, count, duration, metric, size
from cockpit.text.plain_text import plain_line, plain_text
from cockpit.ui.widgets.card import CardText
from cockpit.ui.widgets.recipe_card import data_names, model_text
from cockpit.ui.widgets.state_signs import state_sign

if TYPE_CHECKING:
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.details import RunDetails
    from cockpit.runs.folder import RunDir
    from cockpit.runs.summary import RunSummary
    from cockpit.settings import Price

MOST_EVALS = 6


def card_of_run(
    summary: RunSummary, details: RunDetails | None, recipe: Recipe | None, price: Price | None = None
) -> CardText:
    """What is known of the run so far; the card of a long log comes in two parts, the second with `details`."""
    sign, colour = state_sign(summary.state)
    facts = _label(summary.run)
    if details is not None and details.reason:
        facts.append(("because", plain_text(details.reason)))
    if details is not None and details.advice:
        facts.append(("try", plain_text(details.advice)))
    facts += [*_figures(summary, details), ("steps", _steps(summary)), ("time", _times(summary, details, price))]
    facts.append(("saved", _saved(details)))
    facts += [("" if at else "evals", text) for at, text in enumerate(_evals(summary.run))]
    if recipe is not None:
        facts += [("model", model_text(recipe)), ("data", _data(recipe, details))]
    problems = [summary.damage] if summary.damage else []
    return CardText(_title(summary), "", facts, problems, sign, colour)


def _evals(run: RunDir) -> list[str]:
    """The first few that lm-evaluation-harness has measured."""
    from cockpit.runs.evals import before_and_after

    rows = [f"{plain_line(name)} {base} → {tuned}" if base != UNKNOWN else f"{plain_line(name)} {tuned}"
            for name, base, tuned in before_and_after(run)]  # fmt: skip
    more = [f"and {count(len(rows) - MOST_EVALS)} more: cockpit compare"] if len(rows) > MOST_EVALS else []
    return rows[:MOST_EVALS] + more


def _label(run: RunDir) -> list[tuple[str, str]]:
    label = Label.of(run)
    name = " ".join([label.name, *(f"#{tag}" for tag in label.tags)]).strip()
    return [(head, text) for head, text in (("name", name), ("note", label.note)) if text]


def _title(summary: RunSummary) -> str:
    of = f" of {count(summary.total_steps)}" if summary.total_steps else ""
    match summary.state:
        case "running":
            return f"training, step {count(summary.step)}{of}"
        case "completed":
            return f"completed, {count(summary.step)} steps"
        case "starting":
            return "starting"
    return f"{STATES[summary.state]} after step {count(summary.step)}{of}"


def _figures(summary: RunSummary, details: RunDetails | None) -> list[tuple[str, str]]:
    ends, held_out = (details.ends, details.held_out) if details is not None else (None, None)
    value, measured = metric(summary.value), metric(summary.held_out)
    if ends is not None:
        of = f" (means of {ends.steps} steps)" if ends.steps > 1 else ""
        value = f"{metric(ends.first)} → {metric(ends.last)}{of}"
    if held_out is not None:
        measured = f"{metric(held_out[0])} → {metric(held_out[1])}"
    return [(plain_line(summary.main.label), value), ("held-out", measured)]


def _steps(summary: RunSummary) -> str:
    planned = f"{count(summary.step)} of {count(summary.total_steps)}"
    return planned if summary.attempts == 1 else f"{planned}, {summary.attempts} attempts"


def _times(summary: RunSummary, details: RunDetails | None, price: Price | None) -> str:
    took = duration(details.took_s if details is not None else None)
    if details is not None and details.took_s is not None and details.gpus and price is not None:
        took = f"{took}, {price.of(details.gpus * details.took_s)}"
    return f"{took}, begun {time.strftime('%Y-%m-%d %H:%M', time.localtime(summary.started_at))}"


def _saved(details: RunDetails | None) -> str:
    if details is None:
        return UNKNOWN
    parts = []
    if details.result is not None:
        what = "model" if details.result.path == "model" else "adapter"
        of_step = f" of step {count(details.result.step)}" if details.result.step is not None else ""
        parts.append(f"{what}{of_step}, {size(details.result.size_bytes)}")
    if details.checkpoint is not None:
        parts.append(f"checkpoint after step {count(details.checkpoint)}")
    return "; ".join(parts) or "nothing"


def _data(recipe: Recipe, details: RunDetails | None) -> str:
    names, data = data_names(recipe), details.data if details is not None else None
    if data is None:
        return plain_line(names)
    held_out = f", {count(data.eval_rows)} held out" if data.eval_rows else ""
    return f"{plain_line(names)} · {count(data.train_rows)} {plain_line(data.unit)}{held_out}"
