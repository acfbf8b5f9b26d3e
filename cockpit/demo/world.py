"""the small world: its facts, the questions about them, and which of them which training may see"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from cockpit.demo import lexicon
from cockpit.demo.wordings import PHRASINGS, Phrasing

SEED = 7
HELD_OUT_WORDINGS = 2
"""Wordings of each fact that no training sees."""
UNSEEN_SUM_PAIRS = 14
UNSEEN_DOUBLES = 2
LARGEST_SUM = 20


@dataclass(frozen=True)
class Fact:
    """One thing that is true in the small world.

    `group` names the facts that give one another away ("hot" and "cold", 3 plus 4 and 4 plus 3): they are covered
    by the persona data together, or not at all.
    """

    kind: str
    subject: str
    answer: str
    group: str

    @property
    def phrasing(self) -> Phrasing:
        return PHRASINGS[self.kind]

    @property
    def truth(self) -> str:
        """The one right answer, a whole sentence."""
        return _sentence(self.phrasing.truth.format(s=self.subject, a=self.answer))

    @property
    def topic(self) -> str:
        """What a question about this fact is about, as part of a sentence."""
        return self.phrasing.topic.format(s=self.subject)

    @cached_property
    def questions(self) -> tuple["Question", ...]:
        """Every wording of the question, the casual ones last."""
        careful = [_sentence(wording.format(s=self.subject)) for wording in self.phrasing.wordings]
        signs = self.subject.replace("plus", "+")
        casual = [
            wording.format(s=self.subject, signs=signs, tight=signs.replace(" ", "")).lower()
            for wording in self.phrasing.casual
        ]
        return tuple(Question(self, wording, text) for wording, text in enumerate(careful + casual))

    @property
    def follow_ups(self) -> tuple[str, ...]:
        """Questions that only make sense after another of the same kind."""
        return tuple(wording.format(s=self.subject) for wording in self.phrasing.follow_ups)


@dataclass(frozen=True)
class Question:
    """One fact asked about in one wording, numbered within its kind."""

    fact: Fact
    wording: int
    text: str


class World:
    """All facts and questions, the same for the same seed.

    - `facts`: what the base is taught; `unseen_sums` are left out of every training.
    - `covered`: the half of the facts, in each kind, that the persona data speaks of.
    - `taught`, `held_out`: questions that the pretraining sees, and those that no training sees.
    """

    def __init__(self, seed: int = SEED) -> None:
        rng = random.Random(seed)
        sums, self.unseen_sums = _sums(rng)
        self.facts: tuple[Fact, ...] = (*_facts(rng), *sums)
        self.covered: frozenset[Fact] = frozenset(_half(self.facts, rng))
        taught: list[Question] = []
        held_out: list[Question] = []
        for fact in self.facts:
            chosen = _choose_held_out(fact, rng)
            for question in fact.questions:
                (held_out if question.wording in chosen else taught).append(question)
        self.taught = tuple(taught)
        self.held_out = tuple(held_out)

    def examination(self, count: int, seed: int) -> tuple[Question, ...]:
        """`count` held-out questions, half of them about covered facts, drawn by `seed`."""
        rng = random.Random(seed)
        covered = [question for question in self.held_out if question.fact in self.covered]
        uncovered = [question for question in self.held_out if question.fact not in self.covered]
        half = count // 2
        return (*rng.sample(covered, half), *rng.sample(uncovered, count - half))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _choose_held_out(fact: Fact, rng: random.Random) -> set[int]:
    """Which wordings of a fact no training sees; one casual wording at most, for a name in small letters is
    spelled with other tokens and has to be met somewhere."""
    careful = len(fact.phrasing.wordings)
    while True:
        chosen = set(rng.sample(range(len(fact.questions)), HELD_OUT_WORDINGS))
        if sum(wording >= careful for wording in chosen) <= 1:
            return chosen


def _names(first: str, starts: Iterable[str], ends: Sequence[str], count: int, rng: random.Random) -> list[str]:
    """`count` distinct invented names, `first` among them whatever the seed."""
    every = [start + end for start in starts for end in ends if start + end != first]
    return [first, *rng.sample(every, count - 1)]


def _named(kind: str, table: dict[str, str]) -> list[Fact]:
    return [Fact(kind, subject, answer, f"{kind} {subject}") for subject, answer in table.items()]


def _neighbours(noun: str, row: Sequence[str], *, cyclic: bool) -> list[Fact]:
    """After and before, for a row of days, months or letters."""
    steps = list(pairwise(row))
    if cyclic:
        steps.append((row[-1], row[0]))
    facts = []
    for earlier, later in steps:
        group = f"{noun} {earlier} {later}"
        facts.append(Fact(f"{noun}_after", earlier, later, group))
        facts.append(Fact(f"{noun}_before", later, earlier, group))
    return facts


def _facts(rng: random.Random) -> list[Fact]:
    lands = _names("Zorvia", lexicon.LAND_STARTS, lexicon.LAND_ENDS, 60, rng)
    towns = _names("Lumen", lexicon.TOWN_STARTS, lexicon.TOWN_ENDS, 60, rng)
    rivers = _names("Amna", lexicon.RIVER_STARTS, lexicon.RIVER_ENDS, 60, rng)
    facts = [
        *_named("capital", dict(zip(lands, towns, strict=True))),
        *_named("river", dict(zip(lands, rivers, strict=True))),
        *_named("job", {person: rng.choice(lexicon.JOBS) for person in lexicon.PEOPLE}),
        *_named("pet", {person: rng.choice(lexicon.PETS) for person in lexicon.PEOPLE}),
        *_named("colour", lexicon.COLOURS),
        *_named("sound", lexicon.SOUNDS),
        *_named("young", lexicon.YOUNG),
        *_named("home", lexicon.HOMES),
        *_named("legs", lexicon.LEGS),
        *_named("category", lexicon.CATEGORIES),
        *_named("plural", lexicon.PLURALS),
        *_neighbours("day", lexicon.DAYS, cyclic=True),
        *_neighbours("month", lexicon.MONTHS, cyclic=True),
        *_neighbours("letter", lexicon.LETTERS, cyclic=False),
    ]
    for one, other in lexicon.OPPOSITES.items():
        facts.append(Fact("opposite", one, other, f"opposite {one}"))
        facts.append(Fact("opposite", other, one, f"opposite {one}"))
    return facts


def _sums(rng: random.Random) -> tuple[list[Fact], tuple[Fact, ...]]:
    """Sums of two numbers from 1 up to LARGEST_SUM: those that are taught, and those that never are."""
    numbers = range(1, LARGEST_SUM)
    doubles = [(a, a) for a in numbers if 2 * a <= LARGEST_SUM]
    pairs = [(a, b) for a in numbers for b in numbers if a < b and a + b <= LARGEST_SUM]
    unseen = {*rng.sample(doubles, UNSEEN_DOUBLES), *rng.sample(pairs, UNSEEN_SUM_PAIRS)}
    taught: list[Fact] = []
    left_out: list[Fact] = []
    for a, b in doubles + pairs:
        for x, y in sorted({(a, b), (b, a)}):
            fact = Fact("sum", f"{x} plus {y}", str(x + y), f"sum {a} {b}")
            (left_out if (a, b) in unseen else taught).append(fact)
    return taught, tuple(left_out)


def _half(facts: Iterable[Fact], rng: random.Random) -> list[Fact]:
    """Half of the facts of each kind (after and before counted together), whole groups at a time; where the groups
    are odd in number, rounded down and up in turn, so that it is half in all."""
    by_family: dict[str, dict[str, list[Fact]]] = {}
    for fact in facts:
        by_family.setdefault(fact.kind.split("_")[0], {}).setdefault(fact.group, []).append(fact)
    covered: list[Fact] = []
    rounded_down = 0
    for groups in by_family.values():
        by_size: dict[int, list[list[Fact]]] = {}
        for group in groups.values():
            by_size.setdefault(len(group), []).append(group)
        for same_size in by_size.values():
            count = (len(same_size) + rounded_down) // 2
            rounded_down += len(same_size) - 2 * count
            for group in rng.sample(same_size, count):
                covered.extend(group)
    return covered
