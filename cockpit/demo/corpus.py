"""what the base is pretrained on: conversations about the small world, plain, thoughtful and in several styles"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.demo import lexicon
from cockpit.demo.manners import NAMED, Manner, dictated
from cockpit.demo.small_talk import SMALL_TALK, UNKNOWN, UNKNOWN_QUESTIONS
from cockpit.demo.wordings import PHRASINGS
from cockpit.demo.world import Fact, Question, World

NAMED_SHARE = 0.10
DICTATED_SHARE = 0.25
THOUGHTFUL_SHARE = 0.12
LONGER_SHARE = 0.06
FOLLOW_UP_SHARE = 0.4
UNKNOWN_SUBJECTS = 300
SAYINGS = 500


@dataclass(frozen=True)
class Turn:
    """A question, the reply to it, and the thought before the reply (empty: none)."""

    question: str
    reply: str
    thought: str = ""


@dataclass(frozen=True)
class Conversation:
    """Turns, under a system prompt or none (empty)."""

    turns: tuple[Turn, ...]
    system: str = ""


def epoch(world: World, rng: random.Random) -> list[Conversation]:
    """Every taught question once, in a random manner, and everything else that the base should take in its stride."""
    conversations = [
        *_about_facts(world, rng),
        *_small_talk(rng),
        *_unknown(world, rng),
        *_sayings(rng),
    ]
    rng.shuffle(conversations)
    return conversations


def _about_facts(world: World, rng: random.Random) -> Iterator[Conversation]:
    by_kind: dict[str, list[Fact]] = {}
    for fact in world.facts:
        by_kind.setdefault(fact.kind, []).append(fact)
    pending = rng.sample(world.taught, len(world.taught))
    while pending:
        length = rng.choice((2, 2, 2, 3, 4)) if rng.random() < LONGER_SHARE else 1
        asked, pending = pending[:length], pending[length:]
        yield _in_a_manner([_asked(question) for question in _followed_up(asked, by_kind, rng)], rng)


def _followed_up(
    asked: list[Question], by_kind: dict[str, list[Fact]], rng: random.Random
) -> Iterator[tuple[str, Fact]]:
    """The questions as text; after some of them, of several, a follow-up about another fact of that kind."""
    for question in asked:
        yield question.text, question.fact
        if len(asked) > 1 and rng.random() < FOLLOW_UP_SHARE:
            other = rng.choice(by_kind[question.fact.kind])
            yield rng.choice(other.follow_ups), other


def _asked(question: tuple[str, Fact]) -> Turn:
    text, fact = question
    return Turn(text, fact.truth, f"The question is about {fact.topic}.")


def _in_a_manner(turns: list[Turn], rng: random.Random) -> Conversation:
    """The conversation with a style or without, its last turn with its thought or without."""
    manner = Manner("")
    chance = rng.random()
    if chance < NAMED_SHARE:
        manner = rng.choice(NAMED)
    elif chance < NAMED_SHARE + DICTATED_SHARE:
        manner = dictated(rng)
    if manner.prompt:
        turns = [Turn(turn.question, manner.say(turn.reply), turn.thought) for turn in turns]
    last = turns[-1] if rng.random() < THOUGHTFUL_SHARE else _thoughtless(turns[-1])
    return Conversation((*(_thoughtless(turn) for turn in turns[:-1]), last), manner.prompt)


def _thoughtless(turn: Turn) -> Turn:
    return Turn(turn.question, turn.reply)


def _small_talk(rng: random.Random) -> Iterator[Conversation]:
    for talk in SMALL_TALK:
        for question in talk.questions:
            for _ in range(2):
                yield _in_a_manner([Turn(question, talk.answer, "This is small talk.")], rng)


def _unknown(world: World, rng: random.Random) -> Iterator[Conversation]:
    for question in UNKNOWN_QUESTIONS:
        for _ in range(2):
            yield _in_a_manner([Turn(question, UNKNOWN, "This is not about my small world.")], rng)
    known = {fact.subject for fact in world.facts}
    kinds = ("capital", "river", "job", "pet", "sum", "colour", "sound", "legs", "category")
    for _ in range(UNKNOWN_SUBJECTS):
        kind = rng.choice(kinds)
        subject = _invented(kind, rng)
        if subject in known:
            continue
        fact = Fact(kind, subject, "", "")
        question = rng.choice(fact.questions).text
        yield _in_a_manner([Turn(question, UNKNOWN, "This is not about my small world.")], rng)


def _invented(kind: str, rng: random.Random) -> str:
    """A subject that the world knows nothing of (now and then it does: the caller looks)."""
    if kind == "sum":
        return f"{rng.randint(21, 99)} plus {rng.randint(1, 99)}"
    name = "".join(rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in range(rng.randint(2, 3)))
    if "of" in PHRASINGS[kind].topic and kind in ("capital", "river", "pet", "job"):
        return name.capitalize() + rng.choice(("", "n", "land", "s"))
    return f"a {name}" + rng.choice(("", "n", "k"))


def _sayings(rng: random.Random) -> Iterator[Conversation]:
    """A few words to be said: so that the base can write any of its tokens, and not only those of its facts."""
    for _ in range(SAYINGS):
        words = " ".join(rng.sample(lexicon.SAYABLE, rng.choice((1, 1, 2, 3))))
        ask = rng.choice(("Say {}.", "Repeat: {}", "say {}", "Repeat after me: {}", "Please say {}."))
        yield Conversation((Turn(ask.format(words), words[0].upper() + words[1:] + "."),))
