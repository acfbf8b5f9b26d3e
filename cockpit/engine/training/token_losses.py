"""The loss of each token of a batch: from a model's log-probabilities, its logits, or what goes into its head"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from cockpit.engine.data.token_rows import IGNORED

LOGITS_AT_ONCE = 1 << 26
"""That are made float32 at a time: 256 MiB."""


class HeadInput:
    """Keeps the losses of a batch's tokens where a model gives no logits: Unsloth's takes the loss in pieces.

    They are taken from the hidden states that the decoder hands to the head, as these go by, so nothing is computed a
    second time but the head.
    """

    def __init__(self, model: Any, wanted: Callable[[], torch.Tensor | None]) -> None:
        """Listens to the decoder of `model`. `wanted` gives the labels of the batch, None where no loss is wanted."""
        self._wanted = wanted
        self._head = model.get_output_embeddings()
        self._config = model.config.get_text_config()
        self._losses: torch.Tensor | None = None
        if self._head is not None:
            model.get_decoder().register_forward_hook(torch.compiler.disable(self._pass))

    def take(self) -> torch.Tensor | None:
        """The losses of the last batch, once."""
        losses, self._losses = self._losses, None
        return losses

    def _pass(self, decoder: Any, arguments: Any, output: Any) -> None:
        labels, self._losses = self._wanted(), None
        if labels is None:
            return
        states = output[0] if isinstance(output, tuple) else getattr(output, "last_hidden_state", None)
        if isinstance(states, torch.Tensor) and states.shape[:2] == labels.shape:
            self._losses = _losses_by(self._logits_of(states.detach()), labels, self._head.weight.shape[0])

    def _logits_of(self, states: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        weight, bias = self._head.weight, getattr(self._head, "bias", None)
        rows = states.reshape(-1, states.shape[-1])

        def logits(places: torch.Tensor) -> torch.Tensor:
            chosen = rows[places.to(rows.device)].to(weight.device, weight.dtype)
            return scaled(torch.nn.functional.linear(chosen, weight, bias), self._config)

        return logits


def from_output(output: Any, labels: torch.Tensor) -> torch.Tensor | None:
    """[sequences, tokens - 1] float32: of each token but the first, 0 where there is no label. None where the output
    has neither TRL's log_probs nor logits."""
    log_probs, logits = (getattr(output, name, None) for name in ("log_probs", "logits"))
    if isinstance(log_probs, torch.Tensor) and log_probs.shape == labels[:, 1:].shape:
        has_label = (labels[:, 1:] != IGNORED).to(log_probs.device)
        return torch.where(has_label, -log_probs.detach().float(), 0.0)
    if not isinstance(logits, torch.Tensor) or logits.shape[:2] != labels.shape:
        return None
    rows = logits.detach().reshape(-1, logits.shape[-1])
    return _losses_by(lambda places: rows[places.to(rows.device)], labels, logits.shape[-1])


def scaled(logits: torch.Tensor, config: Any) -> torch.Tensor:
    """What a head gives, as the model's family goes on with it."""
    divides = config.model_type != "hyperclovax"
    if by := getattr(config, "logit_scale", None) or getattr(config, "lm_head_multiplier", None):  # Cohere, Falcon-H1
        logits = logits * by
    if by := getattr(config, "logits_scaling", None):
        logits = logits / by if divides else logits * by  # Granite, HyperCLOVA X
    if cap := getattr(config, "final_logit_softcapping", None):  # Gemma
        logits = torch.tanh(logits / cap) * cap
    return logits


def _losses_by(logits: Callable[[torch.Tensor], torch.Tensor], labels: torch.Tensor, words: int) -> torch.Tensor:
    """From the `logits` of places of the flattened batch, over so many `words`; 0 where no next token is trained."""
    following = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORED).flatten()
    found = torch.zeros(following.shape, dtype=torch.float32, device=labels.device)
    for places in torch.nonzero(following != IGNORED).flatten().split(max(1, LOGITS_AT_ONCE // words)):
        with torch.no_grad():
            scores = logits(places).float()
            of = following[places].to(scores.device)
            found[places] = torch.nn.functional.cross_entropy(scores, of, reduction="none").to(found.device)
    return found.view(labels.shape)[:, :-1]
