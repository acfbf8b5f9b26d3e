"""What lm-evaluation-harness has measured of a run: a line for each evaluation in the run's folder"""

from __future__ import annotations

from typing import Literal

import msgspec

from cockpit.disk import open_to_append, read_regular
from cockpit.protocol.values import UNREADABLE
from cockpit.runs.folder import RunDir
from cockpit.text.numbers import UNKNOWN, count
from cockpit.text.plain_text import plain_line

Weights = Literal["tuned", "base"]
LONGEST_FILE = 1 << 26


class TaskResult(msgspec.Struct, frozen=True):
    """What a task came to over its `rows`: its metrics by the harness's names, and their standard errors where there
    are some."""

    rows: int
    metrics: dict[str, float]
    stderr: dict[str, float]

    def shown(self, name: str) -> str:
        """0.512 ± 0.014."""
        spread = f" ± {self.stderr[name]:.3f}" if name in self.stderr else ""
        return f"{self.metrics[name]:.3f}{spread}"


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks put to a model through the template that it was trained with; `is_templated` is off where there is none.
    `step` is that of the checkpoint that was asked; None for the result. `limit`: so many rows of each task alone."""

    target: str
    weights: Weights
    program: str
    tasks: dict[str, TaskResult]
    is_templated: bool
    made_at: float
    took_s: float
    step: int | None = None
    limit: int | None = None
    fewshot: int | None = None

    def lines(self) -> list[str]:
        """A table, a metric a line."""
        rows = [
            (plain_line(task), plain_line(name), result.shown(name), f"{count(result.rows)} rows")
            for task, result in self.tasks.items()
            for name in result.metrics
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
        return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]

    def summary(self) -> str:
        """Whose figures these are, and what they rest on."""
        whose = plain_line(self.target) + (", base" if self.weights == "base" else "")
        how = "its chat template" if self.is_templated else "no chat template: it has none"
        few = f", {count(self.fewshot)} examples before each" if self.fewshot else ""
        some = f", the first {count(self.limit)} rows alone" if self.limit is not None else ""
        return f"{whose}, by {plain_line(self.program)} through {how}{few}{some}."


def keep(run: RunDir, evaluation: Evaluation) -> None:
    """In the run's folder. Raises OSError."""
    with open_to_append(run.evals) as log:
        log.write(msgspec.json.encode(evaluation) + b"\n")


def kept_evaluations(run: RunDir) -> list[Evaluation]:
    """All of the run, the oldest first; lines that cannot be read are none."""
    try:
        lines = read_regular(run.evals, LONGEST_FILE, follow=False).splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Evaluation))
        except UNREADABLE:
            continue
    return found


def newest_figures(run: RunDir, weights: Weights = "tuned") -> dict[tuple[str, str], str]:
    """By task and metric: what the run's result, or its base, has come to last."""
    return {
        (task, name): result.shown(name)
        for one in kept_evaluations(run)
        if one.weights == weights and one.step is None
        for task, result in one.tasks.items()
        for name in result.metrics
    }


def before_and_after(run: RunDir) -> list[tuple[str, str, str]]:
    """What was measured, what the base has come to where that was asked, and the result."""
    tuned, base = newest_figures(run), newest_figures(run, "base")
    return [(" ".join(key), base.get(key, UNKNOWN), tuned.get(key, UNKNOWN)) for key in dict.fromkeys([*tuned, *base])]
