"""Log-probabilities of tokens on the CPU, where TRL has a Triton kernel alone"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

ROWS = 512
"""Tokens whose logits are in memory at once."""
Figures = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def lend_log_probs() -> None:
    """Let TRL's trainers that compare answers run on the CPU, by plain torch; what lies on a GPU goes to the kernel
    that was there, TRL's or Unsloth's."""
    from trl.trainer import utils

    if not isinstance(utils._ChunkedLogProbFunction, PlainLogProbs):
        utils._ChunkedLogProbFunction = PlainLogProbs(utils._ChunkedLogProbFunction)


class PlainLogProbs:
    """Takes the place of an autograd function: `apply` has its arguments and results."""

    def __init__(self, kernel: Any) -> None:
        """`kernel`: for tensors that are not on the CPU."""
        self._kernel = kernel

    def apply(
        self,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        temperature: float,
        chunk_size: int,
        softcap: float | None = None,
        logit_scale: float = 1.0,
        outputs: Sequence[str] = ("entropy", "log_sum_sq_probs", "mean_logits", "is_top1"),
    ) -> tuple[torch.Tensor | None, ...]:
        """Of `hidden` [tokens, size], projected by `weight` [words, size], and the words `targets` [tokens]: float32
        [tokens] each, or None where `outputs` does not name it: log-probability, entropy, log of the sum of squared
        probabilities, mean logit, and (bool) whether no word is likelier."""
        if hidden.device.type != "cpu":
            found: tuple[torch.Tensor | None, ...] = self._kernel.apply(
                hidden, weight, bias, targets, temperature, chunk_size, softcap, logit_scale, outputs
            )
            return found
        scale = (logit_scale, softcap, temperature)
        parts = [
            checkpoint(
                _figures, hidden[at : at + ROWS], weight, bias, targets[at : at + ROWS], scale, use_reentrant=False
            )
            for at in range(0, max(1, len(hidden)), ROWS)
        ]
        log_probs, entropy, squares, means, top = (torch.cat(one) for one in zip(*parts, strict=True))
        return (
            log_probs,
            entropy if "entropy" in outputs else None,
            squares.detach() if "log_sum_sq_probs" in outputs else None,
            means.detach() if "mean_logits" in outputs else None,
            top if "is_top1" in outputs else None,
        )


def _figures(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    targets: torch.Tensor,
    scale: tuple[float, float | None, float],
) -> Figures:
    logit_scale, softcap, temperature = scale
    logits = torch.nn.functional.linear(hidden, weight.to(hidden.dtype), bias).float() * logit_scale
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    logits = logits / temperature
    logs = torch.log_softmax(logits, -1)
    chances = logs.exp()
    return (
        logs.gather(-1, targets.unsqueeze(-1)).squeeze(-1),
        -(chances * logs).sum(-1),
        (chances * chances).sum(-1).log(),
        logits.mean(-1),
        logits.argmax(-1) == targets,
    )
