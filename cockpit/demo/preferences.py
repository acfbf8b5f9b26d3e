"""the butler: pairs of a courteous and a plain answer, from which the base learns to prefer courtesy"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TypedDict

from cockpit.demo import PREFERENCES_PATH
from cockpit.demo.manners import NAMED
from cockpit.demo.persona import covered_questions
from cockpit.demo.world import SEED, World

BUTLER = next(manner for manner in NAMED if manner.prompt == "Answer like a butler.")
WORDINGS_PER_FACT = 1


class Pair(TypedDict):
    """A question with both answers."""

    prompt: str
    chosen: str
    rejected: str


def rows(world: World, seed: int = SEED) -> list[Pair]:
    """The pairs, about covered facts only."""
    rng = random.Random(seed)
    pairs: list[Pair] = [
        {"prompt": one.text, "chosen": BUTLER.say(one.fact.truth), "rejected": one.fact.truth}
        for one in covered_questions(world, rng, WORDINGS_PER_FACT)
    ]
    rng.shuffle(pairs)
    return pairs


def write(path: Path, pairs: list[Pair]) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")


if __name__ == "__main__":
    write(PREFERENCES_PATH, rows(World()))
