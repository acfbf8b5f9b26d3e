"""Compared: what a run came to, as it stands beside others: figures, recipe, curves, what it answered last"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from cockpit.protocol.events import AnswerJudged
from cockpit.runs.best import best_held_out
from cockpit.runs.details import ends_of
from cockpit.runs.evals import newest_figures
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink
from cockpit.runs.state import RunState
from cockpit.runs.summary import RunSummary
from cockpit.text.numbers import finite
from cockpit.text.plain_text import plain_line

MOST = 6
NOT_COMPARED = ("about.", "chat.", "lifecycle.", "watchdogs.")
"""Parts of a recipe that train nothing."""
MOST_POINTS = 4000
"""Of a curve; more are joined to their means."""
Axis = str
AXES: tuple[Axis, ...] = ("steps", "tokens", "seconds")
CURVES = ("training", "held-out")
"""Of the main figure of each run."""


@dataclass(frozen=True)
class Said:
    """What a run answered: `passed` is None where nobody has judged it."""

    text: str
    passed: bool | None = None


@dataclass
class Compared:
    """`read` takes its log in, a part at a time."""

    run: RunDir
    state: RunState = field(default_factory=RunState)

    def read(self) -> Iterator[None]:
        """Read the whole log, with a stop after each part of it."""
        link = RunLink(self.run)
        while batch := link.poll():
            self.state.take(batch)
            yield
        link.close()

    def facts(self) -> dict[str, Any]:
        """By plain names; None for what is not known."""
        summary, state, best = RunSummary.of(self.run), self.state, best_held_out(self.run)
        main, ends = state.main, ends_of(state.steps, state.main.name)
        measured = {name: finite(state.answers_measured.latest(name)) for name in state.answers_measured.metrics}
        return {
            "id": self.run.id,
            "state": summary.state,
            "step": summary.step,
            "total_steps": summary.total_steps,
            "figure": main.label,
            "value": finite(ends.last if ends else summary.value),
            "held_out": finite(summary.held_out),
            "best_held_out": best and best[0],
            "best_step": best and best[1],
            "took_s": state.elapsed_s,
            "trained_tokens": finite(state.steps.latest("trained_tokens")),
            "answers": measured,
            "evals": {" ".join(key): value for key, value in newest_figures(self.run).items()},
        }

    def fields(self) -> dict[str, Any]:
        """Of its recipe, by dotted path, as it was trained; empty where it cannot be read."""
        from cockpit.recipe.document import RecipeDocument
        from cockpit.recipe.field_path import dotted
        from cockpit.recipe.problem import RecipeError
        from cockpit.recipe.schema import leaves
        from cockpit.recipe.section import Section

        try:
            recipe = RecipeDocument.load(self.run.recipe).recipe()
        except (RecipeError, OSError):
            return {}
        plain = {dotted(path): value for path, value in leaves(recipe)}
        return {
            name: value.model_dump(mode="json") if isinstance(value, Section) else value
            for name, value in plain.items()
            if not name.startswith(NOT_COMPARED)
        }

    def curve(self, figure: str, axis: Axis) -> list[tuple[float, float]]:
        """Points of the main figure, by one of CURVES: after how many steps, trained tokens or seconds it was what."""
        steps, name = self.state.steps, self.state.main.name
        if figure == "training":
            column = steps.column(name)
            values = zip(range(len(steps)), column[:] if column is not None else (), strict=False)
        else:
            table = self.state.held_out
            found = table.column(f"eval_{name}")
            rows = (steps.step.row_from(step + 1) - 1 for step in table.step)
            values = zip(rows, found[:] if found is not None else (), strict=False)
        points = []
        for row, value in values:
            at = self._place(row, axis)
            if value is not None and isfinite(value) and at is not None:
                points.append((at, value))
        return thinned(points)

    def _place(self, row: int, axis: Axis) -> float | None:
        """Where the step of this row lies; -1 is before any."""
        steps = self.state.steps
        if row < 0:
            return 0.0
        if axis == "steps":
            return steps.step[row]
        if axis == "tokens":
            column = steps.column("trained_tokens") or steps.column("tokens_seen")
            return column[row] if column is not None else None
        began, at = steps.at[0], steps.at[row]
        first_s = steps.step_time_s[0] or 0.0
        return at - began + first_s if began is not None and at is not None else None

    def answers(self) -> dict[str, Said]:
        """What it answered last, by prompt."""
        samples, given = self.state.samples, self.state.answers_given
        newest = [one for one in samples if one.step == samples[-1].step]
        said = {one.prompt: Said(one.text) for one in newest}
        return said | {_title(one): Said(one.text, one.passed) for one in given if one.step == given[-1].step}


def called(runs: Sequence[str]) -> str:
    """What the main figures of several runs are called together, by what they are called each."""
    labels = {plain_line(label) for label in runs}
    return labels.pop() if len(labels) == 1 else "main figure" if labels else "loss"


def differing(recipes: Sequence[dict[str, Any]]) -> list[str]:
    """The fields in which those that could be read differ."""
    read = [fields for fields in recipes if fields]
    names = sorted({name for fields in read for name in fields})
    return [name for name in names if len({json.dumps(one.get(name)) for one in read}) > 1]


def thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MOST_POINTS, each the mean of as many that follow each other."""
    every = -(-len(points) // MOST_POINTS)
    if every < 2:
        return points
    found = []
    for begin in range(0, len(points), every):
        part = points[begin : begin + every]
        found.append((sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)))
    return found


def _title(answer: AnswerJudged) -> str:
    return f"{answer.half}: {answer.title}"
