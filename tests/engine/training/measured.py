"""Losses that evaluations come to in a test; what a real training comes to depends on how a processor rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from transformers import Trainer

REAL = "eval_real_loss"
"""What the held-out rows were measured to have in truth, beside the loss that a test has set."""


def measure(monkeypatch: pytest.MonkeyPatch, loss_after: Callable[[int], float]) -> None:
    """Let each evaluation come to `loss_after(step)`; the rows are measured all the same, as REAL."""
    evaluation_loop = Trainer.evaluation_loop

    def measured(trainer: Any, *args: Any, **kwargs: Any) -> Any:
        output = evaluation_loop(trainer, *args, **kwargs)
        output.metrics[REAL] = output.metrics["eval_loss"]
        output.metrics["eval_loss"] = loss_after(trainer.state.global_step)
        return output

    monkeypatch.setattr(Trainer, "evaluation_loop", measured)


def best_after(step: int) -> Callable[[int], float]:
    """It gets better until `step`, and worse from there on."""
    return lambda at: 1.0 + abs(at - step)
