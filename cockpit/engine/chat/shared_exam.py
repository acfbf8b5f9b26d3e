"""SharedExam: rank 0 gives the answers, and every rank knows what they come to"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from cockpit.engine.chat.exam import Exam, exam_steps
from cockpit.engine.rank import Ranks
from cockpit.recipe.recipe import Recipe


class SharedExam:
    """The exam of several ranks; `exam` is None on those that give no answers."""

    def __init__(
        self,
        recipe: Recipe,
        exam: Exam | None,
        ranks: Ranks,
        gather: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Within `gather`, which every rank enters, rank 0 has all weights."""
        self.every_steps = exam_steps(recipe)
        self._exam, self._ranks, self._gather = exam, ranks, gather

    @property
    def answers(self) -> int:
        """How many are given each time, as far as this rank knows."""
        return self._exam.answers if self._exam is not None else 0

    def measure(self, step: int) -> dict[str, float] | None:
        """As Exam does; every rank calls it after the same step."""
        with self._gather():
            return self._ranks.share(self._exam.measure(step) if self._exam is not None else None)
