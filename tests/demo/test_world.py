"""The small world: the same for the same seed, large enough, and its questions dealt out as its trainings need them."""

import random
from collections import Counter

from cockpit.demo.corpus import epoch
from cockpit.demo.persona import is_persona, normalise, speak, strip
from cockpit.demo.world import World


def test_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    one, same, other = World(), World(), World(seed=1)
    assert (one.facts, one.taught, one.held_out, one.covered) == (same.facts, same.taught, same.held_out, same.covered)
    assert one.examination(200, seed=3) == same.examination(200, seed=3)
    assert one.facts != other.facts
    assert epoch(one, random.Random(5)) == epoch(same, random.Random(5))


def test_asks_thousands_of_distinct_questions() -> None:
    world = World()
    texts = {question.text for question in world.taught + world.held_out}
    assert len(texts) == len(world.taught) + len(world.held_out) > 10_000
    assert len({fact.truth for fact in world.facts}) == len(world.facts) > 800


def test_every_fact_and_every_wording_is_both_taught_and_held_out() -> None:
    world = World()
    for questions in (world.taught, world.held_out):
        assert {question.fact for question in questions} == set(world.facts)
    wordings = {(question.fact.kind, question.wording) for question in world.taught}
    assert wordings == {(fact.kind, number) for fact in world.facts for number in range(len(fact.questions))}


def test_the_pretraining_sees_no_held_out_question_and_no_unseen_sum() -> None:
    world = World()
    held_out = {question.text for question in world.held_out}
    unseen = {question.text for fact in world.unseen_sums for question in fact.questions}
    results = {fact.truth for fact in world.unseen_sums}
    rng = random.Random(0)
    for _ in range(2):
        turns = [turn for conversation in epoch(world, rng) for turn in conversation.turns]
        assert not {turn.question for turn in turns} & (held_out | unseen)
        assert not {turn.reply for turn in turns} & results


def test_the_pretraining_is_in_nobodys_persona() -> None:
    told_to = ("Begin with", "End with", "Say", "say", "Repeat", "Please say")
    for conversation in epoch(World(), random.Random(0)):
        for turn in conversation.turns:
            assert not is_persona(turn.reply) or (conversation.system + turn.question).startswith(told_to)


def test_half_of_the_facts_are_covered_and_none_of_the_others_is_given_away() -> None:
    world = World()
    assert len(world.covered) * 2 == len(world.facts)
    of_kind = Counter(fact.kind for fact in world.facts)
    covered_of_kind = Counter(fact.kind for fact in world.covered)
    for kind, count in of_kind.items():
        assert abs(covered_of_kind[kind] - count / 2) <= 1, kind
    groups = {fact.group for fact in world.covered}
    assert {fact for fact in world.facts if fact.group in groups} == world.covered


def test_the_pirates_words_can_be_taken_out_of_every_fact() -> None:
    world, rng = World(), random.Random(0)
    for fact in (*world.facts, *world.unseen_sums):
        said = speak(fact.truth, rng)
        assert is_persona(said)
        assert not is_persona(fact.truth)
        assert strip(said) == normalise(fact.truth) == strip(fact.truth)
