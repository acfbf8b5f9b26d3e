"""Each of Unsloth's templates by name: the answers are found in it, all of them, and a text begins once."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from cockpit.engine.compat.unsloth_templates import named_templates
from cockpit.engine.data.conversation import Conversation
from cockpit.engine.data.encoder import EncodedRow, Encoder
from cockpit.engine.data.token_rows import IGNORED
from cockpit.engine.model.template_by_name import with_named_template
from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny

NAMED = sorted(named_templates())
TURNS = [tiny.pair("Q1 what?", "A1 so."), tiny.pair("Q2\nmore", "A2\n\nsecond."), tiny.pair("Q3", "A3")]


def learnt(row: EncodedRow, tokenizer: Any) -> list[str]:
    """What is trained, stretch by stretch."""
    stretches: list[list[int]] = [[]]
    for label in row.labels:
        if label != IGNORED:
            stretches[-1].append(label)
        elif stretches[-1]:
            stretches.append([])
    return [tokenizer.decode(stretch) for stretch in stretches if stretch]


@pytest.mark.parametrize("bos", ["<s>", "<bos>", "<|begin_of_text|>"])
def test_every_template_by_name_trains_each_answer_and_no_doubled_bos(bos: str) -> None:
    """On tokenizers that begin a text with a mark themselves, of one turn and of three."""
    assert len(NAMED) == 51
    recipe = RecipeDocument.parse(tiny.recipe_text(Path("m"), Path("rows"), backend="transformers"), "test").recipe()
    rows: list[tuple[str, Conversation | str]] = [
        ("one", Conversation(messages=TURNS[0])),
        ("three", Conversation(messages=[*TURNS[0], *TURNS[1], *TURNS[2]])),
    ]
    for name in NAMED:
        tokenizer = with_named_template(tiny.make_tokenizer(bos=bos), name, "transformers")
        encoder = Encoder(recipe, tokenizer, 2048, lambda text: None)
        for row, turns in zip(encoder.encode(rows), (TURNS[:1], TURNS), strict=True):
            assert row.refusal == "", name
            begin = tokenizer.bos_token_id
            assert (begin, begin) not in itertools.pairwise(row.input_ids), name
            parts = learnt(row, tokenizer)
            assert len(parts) == len(turns), name
            for part, (_, answer) in zip(parts, turns, strict=True):
                assert answer["content"] in part, name
                assert not any(question["content"] in part for question, _ in turns), name
