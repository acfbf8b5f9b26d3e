"""what the base is pretrained on: conversations about the small world, plain, thoughtful and in several styles"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cockpit.demo import lexicon
from cockpit.demo.manners import NAMED, Manner, dictated
from cockpit.demo.small_talk import SMALL_TALK, UNKNOWN, UNKNOWN_QUESTIONS
from cockpit.demo.world import LARGEST_SUM, Fact, Question, World

NAMED_SHARE = 0.10
DICTATED_SHARE = 0.16
THOUGHTFUL_SHARE = 0.12
THOUGHTFUL_APART = 0.3
"""The same for what is not about facts: so much rarer that it needs more."""
LONGER_SHARE = 0.10
FOLLOW_UP_SHARE = 0.4
ASIDE_SHARE = 0.3
REPEATS = 3
UNKNOWN_SUBJECTS = 400
BABBLE = 150
SAYINGS = 400


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
        *(_in_a_manner([turn], rng, THOUGHTFUL_APART) for turn in (*(_small_talk() * REPEATS), *_unknown(world, rng))),
        *_sayings(rng),
    ]
    rng.shuffle(conversations)
    return conversations


def _about_facts(world: World, rng: random.Random) -> Iterator[Conversation]:
    by_kind: dict[str, list[Fact]] = {}
    for fact in world.facts:
        by_kind.setdefault(fact.kind, []).append(fact)
    asides = [*_small_talk(), *_unknown(world, rng)]
    pending = rng.sample(world.taught, len(world.taught))
    while pending:
        length = rng.choice((2, 2, 3, 3, 4, 5)) if rng.random() < LONGER_SHARE else 1
        asked, pending = pending[:length], pending[length:]
        turns = [_asked(question) for question in _followed_up(asked, by_kind, rng)]
        if length > 1 and rng.random() < ASIDE_SHARE:
            turns.insert(rng.randrange(len(turns) + 1), rng.choice(asides))
        yield _in_a_manner(turns, rng)


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


def _in_a_manner(turns: list[Turn], rng: random.Random, thoughtful: float = THOUGHTFUL_SHARE) -> Conversation:
    """The conversation with a style or without, its last turn with its thought or without."""
    manner = Manner("")
    chance = rng.random()
    if chance < NAMED_SHARE:
        manner = rng.choice(NAMED)
    elif chance < NAMED_SHARE + DICTATED_SHARE:
        manner = dictated(rng)
    if manner.prompt:
        turns = [Turn(turn.question, manner.say(turn.reply), turn.thought) for turn in turns]
    last = turns[-1] if rng.random() < thoughtful else _thoughtless(turns[-1])
    return Conversation((*(_thoughtless(turn) for turn in turns[:-1]), last), manner.prompt)


def _thoughtless(turn: Turn) -> Turn:
    return Turn(turn.question, turn.reply)


def _small_talk() -> list[Turn]:
    return [Turn(question, talk.answer, "This is small talk.") for talk in SMALL_TALK for question in talk.questions]


def _unknown(world: World, rng: random.Random) -> list[Turn]:
    """Questions about the large world, about what nobody knows, and babble."""
    known = {fact.subject for fact in world.facts}
    invented: list[str] = []
    while len(invented) < UNKNOWN_SUBJECTS:
        kind = rng.choice(list(_INVENTED))
        subject = _INVENTED[kind](rng)
        if subject not in known:
            invented.append(rng.choice(Fact(kind, subject, "", "").questions).text)
    babble = [" ".join(rng.sample(lexicon.SAYABLE, rng.randint(2, 6))) for _ in range(BABBLE)]
    questions = (*UNKNOWN_QUESTIONS * REPEATS, *invented, *babble)
    return [Turn(question, UNKNOWN, "I know nothing about this.") for question in questions]


def _nonsense(rng: random.Random) -> str:
    """A word such as "mirota"."""
    return "".join(rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in range(rng.randint(2, 3)))


def _invented_name(rng: random.Random) -> str:
    return _nonsense(rng).capitalize() + rng.choice(("", "n", "land", "s"))


def _invented_thing(rng: random.Random) -> str:
    return f"a {_nonsense(rng)}{rng.choice(('', 'n', 'k'))}"


def _large_sum(rng: random.Random) -> str:
    return f"{rng.randint(LARGEST_SUM + 1, 99)} plus {rng.randint(1, 99)}"


_INVENTED: dict[str, Callable[[random.Random], str]] = {
    "capital": _invented_name,
    "river": _invented_name,
    "job": _invented_name,
    "pet": _invented_name,
    "sum": _large_sum,
    "colour": _invented_thing,
    "sound": _invented_thing,
    "legs": _invented_thing,
    "category": _invented_thing,
}
"""Subjects, by kind, that the world knows nothing of; now and then it does, and the caller looks."""


def _sayings(rng: random.Random) -> Iterator[Conversation]:
    """A few words to be said: so that the base can write any of its tokens, and not only those of its facts."""
    for _ in range(SAYINGS):
        words = " ".join(rng.sample(lexicon.SAYABLE, rng.choice((1, 1, 2, 3))))
        ask = rng.choice(("Say {}.", "Repeat: {}", "say {}", "Repeat after me: {}", "Please say {}."))
        yield Conversation((Turn(ask.format(words), words[0].upper() + words[1:] + "."),))
