"""sums that the base was never taught, with their answers: it gets them half right, and learns the rest by rewards"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

from cockpit.demo import SUMS_PATH
from cockpit.demo.world import World

WORDINGS = ("What is {sum}?", "Please work out {sum}.", "Can you tell me what {sum} is?", "How much is {sum}?")


class Asked(TypedDict):
    """A question and its right answer."""

    prompt: str
    answer: str


def rows(world: World) -> list[Asked]:
    """Each sum in each wording; the last wording stands together at the end, to be held out by whoever wants to."""
    facts = world.unseen_sums
    return [{"prompt": one.format(sum=fact.subject), "answer": fact.answer} for one in WORDINGS for fact in facts]


def write(path: Path, asked: list[Asked]) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in asked), encoding="utf-8")


if __name__ == "__main__":
    write(SUMS_PATH, rows(World()))
