"""Questions that are put while a run trains: answered between two steps with the weights of that moment"""

from __future__ import annotations

import time

from cockpit.engine.chat.answering import answering
from cockpit.engine.chat.answers import Answers
from cockpit.engine.chat.replies import Chatter
from cockpit.engine.controls import Controls
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded
from cockpit.protocol.commands import Chat, ChatBoth
from cockpit.recipe.recipe import Recipe
from cockpit.text.numbers import count, duration


class Asides:
    """Answers, and tells what that has cost the training."""

    def __init__(self, recipe: Recipe, loaded: Loaded, chatter: Chatter, journal: Journal, controls: Controls) -> None:
        self._recipe, self._loaded, self._journal = recipe, loaded, journal
        self._answers = Answers(chatter, journal, controls)
        self._waited_s = 0.0

    def answer(self, asked: Chat | ChatBoth, step: int) -> None:
        """With the weights after `step`. Leaves the training as it was; the caller sees to random numbers."""
        begun = time.monotonic()
        with answering(self._loaded, self._recipe):
            self._answers.answer(asked, trains=True)
        took = time.monotonic() - begun
        self._waited_s += took
        self._journal.log(
            "info",
            f"A question was answered after step {count(step)}: training waited for {duration(took)}, "
            f"{duration(self._waited_s)} in all.",
        )
