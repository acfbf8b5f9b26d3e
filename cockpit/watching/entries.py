"""Entry: what a trainer has logged at once, by the names that transformers and TRL have for it"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

TRAIN, HELD_OUT = ("train/", "train_"), ("eval/", "val/", "validation/", "val_", "validation_")
TOKENS = ("num_tokens", "num_input_tokens_seen")
"""TRL's and transformers' names for the tokens since the start."""
STEPS = ("global_step", "step", "_step")
NO_METRIC = ("epoch", "total_flos", *STEPS, "_timestamp", "_runtime")
LARGEST_STEP, LARGEST = 10**15, 1e100


@dataclass(frozen=True)
class Entry:
    """`kind`: of optimizer steps, of the held-out rows, or of the end of training. `step` and `epoch` are None where
    the trainer does not tell them; `at` is Unix time in seconds, `step_time_s` that of one step. Of the `metrics` None
    is not a finite number."""

    kind: Literal["step", "evaluation", "end"]
    metrics: dict[str, float | None]
    step: int | None = None
    epoch: float | None = None
    at: float | None = None
    step_time_s: float | None = None
    runtime_s: float | None = None
    """How long the evaluation took."""


def entry_of(logged: Mapping[str, object], *, step: int | None = None, at: float | None = None) -> Entry | None:
    """What was logged under these names; None where none of it is a number. `step` goes before what stands in it."""
    figures = {_plain_name(name): number for name, value in logged.items() if (number := _number(value)) is not None}
    if "train_loss" in figures and "train_runtime" in figures and "loss" not in figures:
        kind: Literal["step", "evaluation", "end"] = "end"
    else:
        if "loss" not in figures and "train_loss" in figures:
            figures["loss"] = figures.pop("train_loss")
        kind = "evaluation" if "loss" not in figures and any(map(_is_held_out, figures)) else "step"
    tokens = next((figures[name] for name in TOKENS if name in figures), None)
    if tokens is not None and kind == "step":
        figures["tokens_seen"] = tokens
    told = step if step is not None else next((_step(figures[name]) for name in STEPS if name in figures), None)
    epoch, runtime_s = figures.get("epoch"), figures.get("eval_runtime")
    metrics = {name: _finite(value) for name, value in figures.items() if _is_metric(name)}
    if not metrics and kind != "end":
        return None
    is_told = epoch is not None and 0 <= epoch < LARGEST
    took = runtime_s if runtime_s is not None and 0 <= runtime_s < 1e10 else None
    return Entry(kind, metrics, told, epoch if is_told else None, at, runtime_s=took)


def _plain_name(name: str) -> str:
    """train/loss is loss; val/loss is eval_loss."""
    if name.startswith("train/"):
        return name.removeprefix("train/")
    begin = next((one for one in HELD_OUT if name.startswith(one)), None)
    return f"eval_{name.removeprefix(begin)}" if begin is not None else name


def _is_held_out(name: str) -> bool:
    return name.startswith("eval_") and _is_metric(name)


def _is_metric(name: str) -> bool:
    return name not in NO_METRIC and name not in TOKENS and not name.endswith(("_runtime", "_per_second"))


def _number(value: object) -> float | None:
    """None for what is no number; since transformers 5 a log has numbers as strings."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | str):
        try:
            return float(value)
        except (ValueError, OverflowError):
            return None
    return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) and abs(value) < LARGEST else None


def _step(value: float) -> int | None:
    return int(value) if math.isfinite(value) and 0 <= value < LARGEST_STEP else None
