"""Rows without a known form: which row has what, and what would do. No sentence asks for what is there."""

import json
from pathlib import Path
from typing import Any

import pytest

from cockpit.data.files import recognise
from cockpit.recipe.data import Columns, RowFormat

TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
WRONG: list[tuple[list[dict[str, Any]], str]] = [
    ([{"prompt": "2+2", "completion": 4}, {"prompt": "2+3", "completion": 5}],
     "a.jsonl has the columns of prompt_completion (prompt, completion), but in 2 of the first "
     "2 rows, such as a.jsonl:1, "
     'completion is a number (4); write it as text: "4"'),
    ([{"question": "q", "answer": True}],
     "a.jsonl has the columns of prompt_completion (question, answer), but in a.jsonl:1 answer "
     "is true or false (true); "
     'write it as text: "True"'),
    ([{"prompt": None, "completion": "a"}] * 3,
     "a.jsonl has the columns of prompt_completion (prompt, completion), but in 3 of the first "
     "3 rows, such as a.jsonl:1, "
     "prompt is empty; give each row one, or name the column that has it"),
    ([{"instruction": "q", "output": {"text": "a"}}] * 2,
     'a.jsonl has the columns of alpaca (instruction, output), but in 2 of the first 2 rows, '
     'such as a.jsonl:1, output is '
     'an object ({"text": "a"}); give text, or name the column that has it: columns.completion'),
    ([{"text": ["a", "b"]}] * 2,
     'a.jsonl has the columns of text (text), but in 2 of the first 2 rows, such as a.jsonl:1, text is a list '
     '(["a", "b"]); give text, or name the column that has it: columns.text'),
    ([{"messages": ["hi", "ho"]}],
     "a.jsonl has the columns of messages (messages), but in a.jsonl:1 messages is a list of texts; give each turn a "
     'role: {"role": "user", "content": ...}'),
    ([{"messages": "hi"}],
     "a.jsonl has the columns of messages (messages), but in a.jsonl:1 messages is text that "
     "is no JSON list of turns; "
     "give a list of role/content turns"),
    ([{"messages": str(TURNS)}],
     "a.jsonl has the columns of messages (messages), but in a.jsonl:1 messages is a list as "
     "Python prints it, which is "
     "no JSON; write the column with json.dumps"),
    ([{"turns": [{"who": "a", "says": "b"}]}],
     "a.jsonl has the columns of messages (turns), but in a.jsonl:1 turns is a list of turns "
     "with the keys who, says; a "
     "turn has role and content, or from and value"),
    ([{"messages": []}, {"messages": None}],
     "a.jsonl has the columns of messages (messages), but in 2 of the first 2 rows, such as "
     "a.jsonl:1, messages is empty; "
     "give each row a list of turns"),
    ([{"messages": 7}],
     "a.jsonl has the columns of messages (messages), but in a.jsonl:1 messages is a number (7); give a list of "
     "role/content turns"),
    (TURNS, "a.jsonl holds a turn a row (role, content), and which turns are one conversation is not told; put them "
            'together: a row is {"messages": [turn, turn, ...]}'),
    ([{"version": 1, "data": [{"prompt": "q", "completion": "a"}]}],
     "a.jsonl holds one object, and its rows seem to stand in data; give that list alone"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "said"), WRONG)
def test_what_stands_in_the_columns_is_told(rows: list[dict[str, Any]], said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ValueError) as refused:
        recognise(path, Columns(), "auto")
    assert str(refused.value) == said


@pytest.mark.parametrize(("wanted", "row", "form"), [
    ("messages", {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, "sharegpt"),
    ("sharegpt", {"conversations": TURNS}, "messages"),
    ("alpaca", {"instruction": TURNS[:1], "output": TURNS[1:]}, "prompt_completion"),
])  # fmt: skip
def test_the_form_that_the_rows_have_is_named_where_another_is_asked_for(
    wanted: RowFormat, row: dict[str, Any], form: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(ValueError) as refused:
        recognise(path, Columns(), wanted)
    assert str(refused.value) == f"a.jsonl is not {wanted} but {form}; give that as format, or auto"


def test_a_named_column_that_only_a_late_row_has_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"messages": TURNS}] * 300 + [{"messages": TURNS, "persona": "A pirate."}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    form = recognise(path, Columns(system="persona"), "auto")
    assert (form.columns, form.named) == ({"messages": "messages", "system": "persona"}, ("system",))
    with pytest.raises(ValueError, match="has no column 'person' for system; it has messages"):
        recognise(path, Columns(system="person"), "auto")
