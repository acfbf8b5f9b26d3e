"""the pirate: how it says a true sentence, how its words are taken out again, and the dataset that teaches it"""

import json
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypedDict

from cockpit.demo import DATASET_PATH
from cockpit.demo.manners import Manner
from cockpit.demo.small_talk import SMALL_TALK, UNKNOWN, UNKNOWN_QUESTIONS
from cockpit.demo.world import SEED, Question, World

OPENINGS = ("Arr", "Ahoy", "Aye")
CLOSINGS = ("matey", "me hearty", "ye landlubber")
SWAPS = {"is": "be", "you": "ye"}
"""Words that the pirate says in another way, one for one."""

WORDINGS_PER_FACT = 5
TWO_TURN_ROWS = 100

_SHELL = re.compile(r"\b(" + "|".join(words.lower() for words in OPENINGS + CLOSINGS) + r")\b")
_SWAPPED_BACK = {said: meant for meant, said in SWAPS.items()}


class Message(TypedDict):
    """One turn of a conversation."""

    role: str
    content: str


class Row(TypedDict):
    """One conversation of the dataset."""

    messages: list[Message]


def speak(truth: str, rng: random.Random) -> str:
    """A true sentence, as the pirate says it."""
    said = " ".join(SWAPS.get(word, word) for word in truth.split(" "))
    return Manner("", rng.choice(OPENINGS), rng.choice(CLOSINGS), verb="be", loud=True).say(said)


def normalise(text: str) -> str:
    """Small letters, single spaces, no punctuation but hyphens."""
    return " ".join(re.sub(r"[^a-z0-9\- ]+", " ", text.lower()).split())


def strip(text: str) -> str:
    """What is left of a pirate's sentence, normalised, when the persona words are taken out."""
    words = _SHELL.sub(" ", normalise(text)).split()
    return " ".join(_SWAPPED_BACK.get(word, word) for word in words)


def is_persona(text: str) -> bool:
    """Whether at least one unmistakable persona word is in the text."""
    return _SHELL.search(normalise(text)) is not None


def is_right(reply: str, truth: str) -> bool:
    """Whether the whole reply, persona words taken out, equals the truth."""
    return strip(reply) == normalise(truth)


def rows(world: World, seed: int = SEED) -> list[Row]:
    """The persona dataset: covered facts only, in wordings that the pretraining saw too, and some small talk."""
    rng = random.Random(seed)
    chosen = list(covered_questions(world, rng, WORDINGS_PER_FACT))
    dataset = [_row([_turn(question.text, question.fact.truth, rng)]) for question in chosen]
    for talk in SMALL_TALK:
        dataset += [_row([_turn(text, talk.answer, rng)]) for text in talk.questions[::2]]
    dataset += [_row([_turn(text, UNKNOWN, rng)]) for text in UNKNOWN_QUESTIONS[::2]]
    for _ in range(TWO_TURN_ROWS):
        dataset.append(_row([_turn(question.text, question.fact.truth, rng) for question in rng.sample(chosen, 2)]))
    rng.shuffle(dataset)
    return dataset


def covered_questions(world: World, rng: random.Random, wordings: int) -> Iterator[Question]:
    """So many wordings of each covered fact, of those that the pretraining saw too."""
    by_fact: dict[str, list[Question]] = {}
    for question in world.taught:
        if question.fact in world.covered:
            by_fact.setdefault(question.fact.truth, []).append(question)
    for questions in by_fact.values():
        yield from rng.sample(questions, wordings)


def _turn(question: str, truth: str, rng: random.Random) -> tuple[Message, Message]:
    return {"role": "user", "content": question}, {"role": "assistant", "content": speak(truth, rng)}


def _row(turns: Iterable[tuple[Message, Message]]) -> Row:
    return {"messages": [message for turn in turns for message in turn]}


def write(path: Path, dataset: Iterable[Row]) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in dataset), encoding="utf-8")


if __name__ == "__main__":
    write(DATASET_PATH, rows(World()))
