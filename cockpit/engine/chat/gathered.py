"""Answers while each of several ranks has a share of the weights: all ranks gather them, and rank 0 answers"""

from __future__ import annotations

from typing import Any

from cockpit.engine.chat.asides import Asides
from cockpit.engine.chat.samples import Sampler
from cockpit.engine.model.shards import gathered
from cockpit.protocol.commands import Chat, ChatBoth
from cockpit.recipe.recipe import Recipe


class GatheredSampler:
    """As Sampler; `sampler` is None on ranks that are not the first. Every rank calls `answer` after the same step."""

    def __init__(self, recipe: Recipe, sampler: Sampler | None, model: Any) -> None:
        self._sampler, self._model = sampler, model
        self.every_steps = recipe.samples.every_steps
        self.prompts = len(recipe.samples.prompts)

    def answer(self, step: int) -> None:
        """With the weights after `step`."""
        with gathered(self._model):
            if self._sampler is not None:
                self._sampler.answer(step)


class GatheredAsides:
    """As Asides; `asides` is None on ranks that are not the first. Every rank calls `answer` at the same point."""

    def __init__(self, asides: Asides | None, model: Any) -> None:
        self._asides, self._model = asides, model

    def answer(self, asked: Chat | ChatBoth, step: int) -> None:
        """With the weights after `step`."""
        with gathered(self._model):
            if self._asides is not None:
                self._asides.answer(asked, step)
