"""Bad recipes: YAML that cannot be read. Each gives its whole message and exit status 2."""

from pathlib import Path

import pytest

from tests.recipe.sample import SAMPLE, Bad, checked

BAD = [
    Bad("missing colon", {"r: 16": "r 16"}, ["24: a colon is missing; write it as name: value"]),
    Bad(
        "open quote",
        {"title: A": 'title: "A'},
        ["7: a quote is not closed, or closed too early; put one quote at each end"],
    ),
    Bad("open list", {"r: 16": "r: [16"}, ["24: a list is not closed; add the missing ] or comma"]),
    Bad("open brace", {"r: 16": "r: {16"}, ["24: a section in braces is not closed; add the missing } or comma"]),
    Bad("tab", {"  r: 16": "\tr: 16"}, ["24: a tab stands where YAML wants blanks; indent with blanks"]),
    Bad(
        "indentation",
        {"  r: 16": "   r: 16"},
        ["25: the indentation does not fit the lines above; indent a section's fields alike"],
    ),
    Bad(
        "alias",
        {"r: 16": "r: *rank"},
        ["24: anchors and aliases (& and *) are not read; write the value out; put text with * in quotes"],
    ),
    Bad(
        "anchor",
        {"r: 16": "r: &rank 16"},
        ["24: lora.r: anchors and aliases (& and *) are not read; write the value out"],
    ),
    Bad("tag", {"r: 16": "r: !!int 16"}, ["24: lora.r: YAML tags (!) are not read; write the plain value"]),
    Bad(
        "python tag",
        {"title: A sample": "title: !!python/object/apply:os.system [id]"},
        ["7: about.title: YAML tags (!) are not read; write the plain value"],
    ),
    Bad(
        "merge of an alias bomb",
        {"lora:\n": "lora: &a [x, x]\nlora2: [*a, *a]\nlora3:\n"},
        [
            "23: lora: anchors and aliases (& and *) are not read; write the value out",
            "23: lora2.0: anchors and aliases (& and *) are not read; write the value out",
            "23: lora2.1: anchors and aliases (& and *) are not read; write the value out",
        ],
    ),
    Bad(
        "colon in text",
        {"title: A": "title: A: the"},
        ["7: a colon stands where none may be; put text that holds ': ' in quotes"],
    ),
    Bad(
        "reserved sign",
        {"r: 16": "r: @16"},
        ["24: a character stands here that no value begins with; put the value in quotes"],
    ),
    Bad(
        "escape",
        {"title: A sample": 'title: "\\q"'},
        ["7: the text in quotes holds an unknown \\ escape; write \\\\ for one backslash"],
    ),
    Bad(
        "second document",
        {"method: sft": "---\nmethod: sft"},
        ["4: a second document begins here (---); keep one recipe in a file"],
    ),
    Bad(
        "duplicate key",
        {"lora_alpha: 32": "r: 17"},
        ["25: lora.r: stands twice (first in line 24); keep one of the two"],
    ),
    Bad(
        "two duplicates",
        {"backend: unsloth\n": "backend: unsloth\nschema: 1\nbackend: unsloth\n"},
        [
            "15: schema: stands twice (first in line 3); keep one of the two",
            "16: backend: stands twice (first in line 14); keep one of the two",
        ],
    ),
    Bad("list as key", {"method: sft": "[a, b]: sft"}, ["4: a key must be one word; write it as name: value"]),
    Bad("word alone", {"method: sft": "sft"}, ["4: a colon is missing; write it as name: value"]),
    Bad(
        "list at the root",
        {SAMPLE: "- schema: 1\n"},
        ["1: it holds a list; a recipe is made of sections, such as model: and lora:"],
    ),
    Bad(
        "single value",
        {SAMPLE: "hello\n"},
        ["1: it holds a single value; a recipe is made of sections, such as model: and lora:"],
    ),
    Bad("empty", {SAMPLE: ""}, [" it is empty; copy a recipe to start from: cockpit recipes show demo"]),
    Bad(
        "only comments",
        {SAMPLE: "# nothing\n\n"},
        [" it is empty; copy a recipe to start from: cockpit recipes show demo"],
    ),
    Bad(
        "NUL",
        {"title: A": "title: A\x00"},
        ["7: the character U+0000 may not stand in YAML; remove it, and save the file as plain UTF-8 text"],
    ),
    Bad(
        "escape sequence",
        {"title: A": "title: \x1b[31mA"},
        ["7: the character U+001B may not stand in YAML; remove it, and save the file as plain UTF-8 text"],
    ),
    Bad(
        "too deep",
        {"r: 16": "r: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["},
        ["24: it is nested too deep for a recipe; a recipe has sections, fields and lists"],
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_message(bad: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(bad, tmp_path, monkeypatch) == bad.says
