"""AgreedControls: what readers have asked of the training, known to every rank from the same point on"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cockpit.engine.controls import Controls
from cockpit.engine.rank import Ranks
from cockpit.protocol.commands import Chat, ChatBoth, Control


@dataclass(frozen=True)
class _Asked:
    """What is new at rank 0, and how things stand there."""

    stop: Literal["save", "drop"] | None
    paused: bool
    controls: list[Control]
    questions: list[Chat | ChatBoth]


class AgreedControls(Controls):
    """What the training of each rank looks at in place of `Controls`: the same everywhere, and changed by `agree`
    alone, so that no rank stops, waits or saves while another takes a step."""

    def __init__(self, ranks: Ranks, own: Controls | None) -> None:
        """`own` is what readers ask, which rank 0 alone has."""
        super().__init__()
        self._ranks, self._own = ranks, own

    def agree(self) -> None:
        """Rank 0 hands on what was asked since the last time. Every rank calls this at the same point."""
        own, asked = self._own, None
        is_new = own is not None and (own.has_asked or (own.stop, own.paused) != (self.stop, self.paused))
        if not self._ranks.flag(is_new):
            return
        if own is not None:
            questions = []
            while (question := own.take_question()) is not None:
                questions.append(question)
            asked = _Asked(own.stop, own.paused, own.take(), questions)
        told = self._ranks.share(asked)
        self.stop, self.paused = told.stop, told.paused
        self._asked += told.controls
        self._questions += told.questions

    def has_time_for(self, seconds: float) -> bool:
        """As rank 0's clock has it."""
        return self._ranks.share(None if self._own is None else self._own.has_time_for(seconds))

    def examine_by(self, why_not: Callable[[Control], str]) -> None:
        """Readers ask rank 0."""
        if self._own is not None:
            self._own.examine_by(why_not)

    def wait(self) -> None:
        """Until something is asked for, for a moment at most."""
        if self._own is not None:
            self._own.wait()
        self.agree()

    def end_training(self, why: str) -> list[Control]:
        """What was agreed on and not done, and on rank 0 what has come since."""
        left = super().end_training(why)
        if self._own is None:
            return left
        left += self._own.end_training(why)
        for question in self.unanswered():
            self._own.work.put(question)
        return left
