"""What a model has answered to a prompt of a suite, and what its checks found"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from cockpit.protocol.events import ReplyEnd

Half = Literal["learned", "kept"]
Verdict = Literal["better", "worse", "kept", "lost", "same"]
VERDICTS: tuple[Verdict, ...] = ("better", "worse", "kept", "lost", "same")


@dataclass(frozen=True)
class Answer:
    """A reply, its reasoning apart. `reason` is a sentence where it failed."""

    text: str
    end: ReplyEnd = "end_of_turn"
    new_tokens: int = 0
    thinking: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Result:
    """One check of a reply. `failure` is a sentence, empty where it passed."""

    check: str
    failure: str = ""


@dataclass(frozen=True)
class Judged:
    """A reply and all of its checks; none of these where it failed."""

    answer: Answer
    results: list[Result] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def checks_passed(self) -> int:
        return sum(not result.failure for result in self.results)

    @property
    def failures(self) -> list[str]:
        """Sentences."""
        if self.answer.end == "failed":
            return [self.answer.reason or "There was no reply."]
        return [result.failure for result in self.results if result.failure]


@dataclass(frozen=True)
class Row:
    """A prompt of the suite with what base and tuned have answered; None where one was not asked."""

    half: Half
    title: str
    base: Judged | None
    tuned: Judged | None

    @property
    def judged(self) -> Judged:
        """What counts: the tuned one, else the base."""
        found = self.tuned or self.base
        assert found is not None, "one of the two was asked"
        return found

    @property
    def verdict(self) -> Verdict | None:
        """Tuned against base: what the base passed is kept or lost, else more or fewer checks pass than before."""
        if self.base is None or self.tuned is None:
            return None
        if self.base.passed:
            return "kept" if self.tuned.passed else "lost"
        if self.tuned.passed or self.tuned.checks_passed > self.base.checks_passed:
            return "better"
        return "worse" if self.tuned.checks_passed < self.base.checks_passed else "same"
