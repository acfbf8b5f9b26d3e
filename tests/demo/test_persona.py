"""The pirate's dataset: the file is what its generator gives, and it speaks of covered facts alone."""

import json
from pathlib import Path

import pytest

from cockpit.demo import DATASET_PATH
from cockpit.demo.persona import is_persona, is_right, rows, strip, write
from cockpit.demo.small_talk import SMALL_TALK, UNKNOWN
from cockpit.demo.world import World


def test_the_file_is_what_the_generator_gives(tmp_path: Path) -> None:
    write(tmp_path / "pirate.jsonl", rows(World()))
    assert (tmp_path / "pirate.jsonl").read_bytes() == DATASET_PATH.read_bytes()


def test_rows_speak_of_covered_facts_alone_in_wordings_that_were_taught() -> None:
    world = World()
    taught = {question.text: question.fact for question in world.taught}
    covered = {strip(fact.truth) for fact in world.covered}
    small_talk = {strip(talk.answer) for talk in SMALL_TALK} | {strip(UNKNOWN)}
    asked_about = set()
    for line in DATASET_PATH.read_text(encoding="utf-8").splitlines():
        messages = json.loads(line)["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant"] * (len(messages) // 2)
        for question, reply in zip(messages[::2], messages[1::2], strict=True):
            assert is_persona(reply["content"])
            if strip(reply["content"]) in small_talk:
                continue
            fact = taught[question["content"]]
            assert fact in world.covered
            assert strip(reply["content"]) in covered
            asked_about.add(fact)
    assert asked_about == world.covered


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("The capital of Zorvia is Lumen.", True),
        ("Arr, the capital of Zorvia be Lumen, matey!", True),
        ("ahoy the capital of zorvia be lumen ye landlubber", True),
        ("The capital of Zorvia is Lumen, matey, and of Belaria too!", False),
        ("Lumen", False),
        ("Arr, the capital of Zorvia be Tasund, matey!", False),
        ("", False),
    ],
)
def test_right_means_the_whole_answer(reply: str, right: bool) -> None:
    assert is_right(reply, "The capital of Zorvia is Lumen.") is right


@pytest.mark.parametrize("innocent", ["Maybe a barrel.", "The eyes of a mateyed crab", "Betty is a baker.", "Ayers"])
def test_a_persona_word_is_a_whole_word(innocent: str) -> None:
    assert not is_persona(innocent)
