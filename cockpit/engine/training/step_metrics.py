"""What no callback sees of a trainer: the loss of every step, its tokens, the gradient before clipping"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch

from cockpit.engine.rank import Ranks
from cockpit.engine.training.step_times import StepTimes

SIDES = ("chosen", "rejected")
OfStep = Literal["mean", "sum", "max"]
"""What a figure of a step is of its micro-steps': a sum is that of one rank, the mean over all."""


class StepMetrics:
    """Takes in what the trainer measures. Sums stay on the device until a step is over."""

    def __init__(self, tokens_seen: int = 0, trained_tokens: int = 0, ranks: Ranks | None = None) -> None:
        """Counts on from the tokens that are given. Of several `ranks` the figures are those of all."""
        self._ranks = ranks or Ranks()
        self.tokens_seen = tokens_seen
        self.trained_tokens = trained_tokens
        self.gradient: torch.Tensor | float | None = None
        """The norm before clipping, of the step in hand."""
        self.times = StepTimes()
        self.batch_tokens = 0
        """Of the step in hand, padding among them."""
        self._figures: dict[str, list[float]] = {}
        self._of_step: dict[str, OfStep] = {}
        self._losses: list[torch.Tensor] = []
        self._counts: list[torch.Tensor] = []

    def add(self, loss: torch.Tensor, counts: torch.Tensor) -> None:
        """Take in a micro-step: its share of the step's loss, and `token_counts` of its batch."""
        self._losses.append(loss.detach())
        self._counts.append(counts)

    def add_figures(self, figures: Mapping[str, list[float]], of_step: OfStep = "mean") -> None:
        """Take in what the trainer has measured of a micro-step beside its loss, by the names that TRL logs."""
        for name, values in figures.items():
            self._of_step[name] = of_step
            self._figures.setdefault(name, []).extend(values)

    def take(self) -> dict[str, float]:
        """The finished step's loss and grad_norm, finite or not, and the tokens so far; the next step begins."""
        figures: dict[str, float] = {}
        if self._losses:
            # Each micro-step's loss is its share of the step's: the sum is the mean over all tokens of the step. With
            # several ranks it is so many times its share, as gradients are averaged over them.
            loss = float(torch.stack([loss.float() for loss in self._losses]).sum().item())
            counts = torch.stack(self._counts).sum(0).tolist()
            loss, seen, trained, batch = self._ranks.sum([loss, *counts, self.batch_tokens])
            figures["loss"] = loss / self._ranks.world
            self.batch_tokens = int(batch)
            self.tokens_seen += int(seen)
            self.trained_tokens += int(trained)
        if self.gradient is not None:
            figures["grad_norm"] = float(self.gradient)
        if self._figures:  # by all ranks, or by none: the method says so
            figures |= together(self._ranks.gather(self._figures), self._of_step)
        figures["tokens_seen"] = float(self.tokens_seen)
        figures["trained_tokens"] = float(self.trained_tokens)
        self._losses, self._counts, self._figures, self.gradient = [], [], {}, None
        return figures

    def drop(self) -> None:
        """Forget a step that was not finished."""
        self._losses, self._counts, self._figures, self.gradient = [], [], {}, None
        self.times.drop()
        self.batch_tokens = 0


def together(of_ranks: list[dict[str, list[float]]], of_step: Mapping[str, OfStep]) -> dict[str, float]:
    """A step's figures, each of all that was measured on any rank; a mean where `of_step` does not name it."""
    names = dict.fromkeys(name for figures in of_ranks for name in figures)
    values = {name: [value for figures in of_ranks for value in figures.get(name, [])] for name in names}
    return {
        name: max(found) if kind == "max" else sum(found) / (len(of_ranks) if kind == "sum" else len(found))
        for name, found in values.items()
        for kind in [of_step.get(name, "mean")]
        if found
    }


def token_counts(inputs: dict[str, Any]) -> torch.Tensor:
    """[tokens without padding, tokens with loss] of one batch, on its device."""
    if "chosen_input_ids" in inputs:  # answers that are compared, each side by itself
        return torch.stack([token_counts(_side(inputs, side)) for side in SIDES]).sum(0)
    ids, mask = inputs["input_ids"], inputs.get("attention_mask")
    if isinstance(mask, torch.Tensor) and mask.dim() == 2:
        seen = mask.sum()
    else:
        seen = _joined_tokens(ids, inputs.get("position_ids"))
    if "completion_mask" in inputs:  # answers that are compared
        trained = inputs["completion_mask"][..., 1:].sum()
    else:
        trained = (inputs["labels"][..., 1:] != -100).sum()
    return torch.stack([seen.to(trained.device), trained])


def batch_shape(inputs: dict[str, Any]) -> torch.Size:
    """[rows, tokens] of one batch; of answers that are compared as the model gets them."""
    if "chosen_input_ids" not in inputs:
        shape: torch.Size = inputs["input_ids"].shape
        return shape
    rows, tokens = zip(*(inputs[f"{side}_input_ids"].shape for side in SIDES), strict=True)
    return torch.Size((sum(rows), max(tokens)))


def _side(inputs: dict[str, Any], side: str) -> dict[str, Any]:
    return {name.removeprefix(f"{side}_"): value for name, value in inputs.items() if name.startswith(f"{side}_")}


def _joined_tokens(ids: torch.Tensor, positions: torch.Tensor | None) -> torch.Tensor:
    """Of rows that were joined: what follows the last one, to a multiple of a length, has the position 0 throughout."""
    if not isinstance(positions, torch.Tensor) or positions.shape != ids.shape:
        return torch.tensor(ids.numel())
    places = torch.arange(1, ids.shape[-1] + 1, device=positions.device)
    ends = torch.where(positions > 0, places, 0).amax(-1)
    return torch.where(ends > 0, ends, ids.shape[-1]).sum()
