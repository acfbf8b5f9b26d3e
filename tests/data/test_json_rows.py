"""JSON files are read to their end, whatever values they hold: every row is there, and what is left over is named."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

from cockpit.data import json_text
from cockpit.data.row_error import Row, RowError
from cockpit.data.rows import read_rows

A, B, C = ({"text": letter} for letter in "abc")
ASKED = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
SHARED = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]
KEYED = [{"user": "Hi"}, {"assistant": "Ho"}]
PAIRS = [{"human": "Hi", "assistant": "Ho"}, {"human": "And?", "assistant": "So."}]


def read(path: Path, content: str) -> tuple[list[tuple[str, Row]], list[str]]:
    """Its rows with their places, and what is said of the others."""
    path.write_bytes(content.encode(errors="surrogateescape"))
    told: list[RowError] = []
    return list(read_rows(path, told.append)), list(map(str, told))


def text(*values: Any, indent: int | None = None) -> str:
    return "\n".join(json.dumps(value, indent=indent, ensure_ascii=False) for value in values)


WHOLE: dict[str, tuple[str, str, list[str], list[Row]]] = {
    "two lists": ("a.json", text([A, B], [C]), ["a.json row 1", "a.json row 2", "a.json row 3"], [A, B, C]),
    "lists without a line break": ("a.json", "[{}][{}]", ["a.json row 1", "a.json row 2"], [{}, {}]),
    "a list a line": ("a.jsonl", text([A], [B, C]), ["a.jsonl row 1", "a.jsonl row 2", "a.jsonl row 3"], [A, B, C]),
    "a list and lines": ("a.jsonl", text([A], B, C), ["a.jsonl row 1", "a.jsonl:2", "a.jsonl:3"], [A, B, C]),
    "lines and a list": ("a.json", text(A, B, [C]), ["a.json:1", "a.json:2", "a.json row 1"], [A, B, C]),
    "one object": ("a.json", text(A, indent=2), ["a.json:1"], [A]),
    "indented objects": ("a.json", text(A, B, C, indent=2), ["a.json:1", "a.json:4", "a.json:7"], [A, B, C]),
    "indented in lines": ("a.jsonl", text(A, B, indent=4) + "\n" + text(C), ["a.jsonl:1", "a.jsonl:4", "a.jsonl:7"],
                          [A, B, C]),
    "objects on one line": ("a.jsonl", '{"text": "a"}{"text": "b"} {"text": "c"}', ["a.jsonl:1"] * 3, [A, B, C]),
    "commas between lines": ("a.jsonl", text(A) + ",\n" + text(B) + ",\n", ["a.jsonl:1", "a.jsonl:2"], [A, B]),
    "a conversation a line": ("a.jsonl", text(ASKED, SHARED, KEYED, PAIRS),
                              ["a.jsonl:1", "a.jsonl:2", "a.jsonl:3", "a.jsonl:4"],
                              [{"messages": turns} for turns in (ASKED, SHARED, KEYED, PAIRS)]),
    "one conversation": ("a.json", text(ASKED, indent=2), ["a.json:1"], [{"messages": ASKED}]),
    "a list of conversations": ("a.json", text([ASKED, KEYED, PAIRS]), ["a.json row 1", "a.json row 2", "a.json row 3"],
                                [{"messages": ASKED}, {"messages": KEYED}, {"messages": PAIRS}]),
    "a list of pairs": ("a.json", text(PAIRS), ["a.json row 1", "a.json row 2"], PAIRS),
    "a table of turns": ("a.json", text([{**turn, "thread_id": 7} for turn in ASKED]), ["a.json row 1", "a.json row 2"],
                         [{**turn, "thread_id": 7} for turn in ASKED]),
    "texts put together": ("a.jsonl", "\ufeff" + text(A) + "\n\ufeff" + text(B), ["a.jsonl:1", "a.jsonl:2"], [A, B]),
    "not a number": ("a.jsonl", '{"text": "a", "score": NaN}\n', ["a.jsonl:1"], [{"text": "a", "score": None}]),
    "no rows": ("a.json", " [] \n", [], []),
}  # fmt: skip


@pytest.mark.parametrize("case", WHOLE)
def test_every_value_of_a_file_is_read(case: str, tmp_path: Path) -> None:
    name, content, places, rows = WHOLE[case]
    found, told = read(tmp_path / name, content)
    assert [where for where, _ in found] == places
    assert [row for _, row in found] == rows
    assert told == []


OVER = "no complete JSON object (Expecting value); give a row a line, or a list in []"
LEFT_OVER: dict[str, tuple[str, str, list[Row], list[str]]] = {
    "words after a list": ("a.json", text([A]) + "\nthe end", [A], [f"a.json:2: this line is {OVER}"]),
    "a bracket too many": ("a.json", text([A]) + "]", [A], [f"a.json:1: this line is {OVER}"]),
    "a bracket too many in a line": ("a.jsonl", text(A) + "}\n" + text(B), [A, B], [f"a.jsonl:1: this line is {OVER}"]),
    "a list cut off after another": ("a.json", text([A]) + '\n[{"text": "b"}', [A, B],
                                     ["a.json: the file ends before the list does; its closing ] is missing"]),
    "an element cut off after another list": ("a.json", text([A]) + '\n[{"text": "b"}, {"te', [A, B],
                                              ["a.json:2: this line is no complete JSON object (Unterminated string "
                                               "starting); give a row a line, or a list in []"]),
    "a broken conversation": ("a.jsonl", '[{"role": "user", "con\n' + text(ASKED), [{"messages": ASKED}],
                              ["a.jsonl:1: this line is no complete JSON object (Unterminated string starting); give a "
                               "row a line, or a list in []"]),
    "an open conversation": ("a.jsonl", text(ASKED)[:-1] + "\n" + text(ASKED), [{"messages": ASKED}],
                             ["a.jsonl:1: a comma or the closing ] is missing after it"]),
    "a broken indented object": ("a.json", text(A, indent=2).replace('"a"', '"a') + "\n" + text(B, C, indent=2), [B, C],
                                 ["a.json:1: lines 1 to 3 are no complete JSON object (Invalid control character)"]),
    "an indented object without an end": ("a.json", text(A, indent=2) + "\n" + text(B, indent=2)[:-1], [A],
                                          ["a.json:4: lines 4 to 5 are no complete JSON object (Expecting ',' "
                                           "delimiter)"]),
    "values that are no rows": ("a.jsonl", '3\n"b"\nnull\ntrue\n[]\n["x"]\n' + text(A), [A],
                                ["a.jsonl:1: this row is a number, not an object",
                                 "a.jsonl:2: this row is text, not an object",
                                 "a.jsonl:3: this row is empty, not an object",
                                 "a.jsonl:4: this row is true or false, not an object",
                                 "a.jsonl:5: this list is empty",
                                 "a.jsonl row 1: it is text, not an object"]),
    "bytes that are no text in one of several rows of a line": (
        "a.json",
        text([A, {"text": "\udcff"}, B, {"\udcc3": 1}, C]),
        [A, B, C],
        [f"a.json:1: byte 0x{byte} is not UTF-8; save the file as UTF-8" for byte in ("ff", "c3")],
    ),
    "bytes that are no text in a conversation": ("a.jsonl", text(ASKED).replace("Ho", "\udcff") + "\n" + text(A), [A],
                                                 ["a.jsonl:1: byte 0xff is not UTF-8; save the file as UTF-8"]),
}  # fmt: skip


@pytest.mark.parametrize("case", LEFT_OVER)
def test_what_is_left_over_is_named_with_its_line(case: str, tmp_path: Path) -> None:
    name, content, rows, sentences = LEFT_OVER[case]
    found, said = read(tmp_path / name, content)
    assert [row for _, row in found] == rows
    assert said == sentences


def test_rows_across_the_borders_of_what_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is read at once, rows, their lines and what is left over are the same."""
    draw = random.Random(11)
    values: list[Any] = []
    for number in range(60):
        row = {"text": "ä🦜\u2028" * draw.randrange(9), "n": number}
        values.append(draw.choice([row, [row, row], ASKED, {"x": {"y": [number] * draw.randrange(4)}}]))
    parts = [json.dumps(one, indent=draw.choice([None, 2]), ensure_ascii=False) for one in values]
    parts[20] = '{"torn": "'
    content = "\n".join(parts) + "\nleft over"
    whole = read(tmp_path / "a.jsonl", content)
    assert len(whole[0]) == sum(2 if type(one) is list and one is not ASKED else 1 for one in values) - (
        2 if isinstance(values[20], list) and values[20] is not ASKED else 1
    )
    assert len(whole[1]) == 2
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr(json_text, "CHUNK", size)
        assert read(tmp_path / "a.jsonl", content) == whole, size


def test_a_torn_line_costs_its_own_row_alone(tmp_path: Path) -> None:
    rows = [{"text": "x" * 50, "n": number} for number in range(30)]
    lines = [json.dumps(row) for row in rows]
    for cut in range(1, len(lines[7])):
        torn = [*lines[:7], lines[7][:cut], *lines[8:]]
        found, told = read(tmp_path / "a.jsonl", "\n".join(torn))
        assert [row["n"] for _, row in found] == [row["n"] for row in rows if row["n"] != 7], torn[7]
        assert [one.partition(": ")[0] for one in told] == ["a.jsonl:8"]


def test_a_value_without_an_end_is_an_error_and_not_a_full_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_text, "LONGEST_ROW", 1000)
    monkeypatch.setattr(json_text, "CHUNK", 100)
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"b": [' + ", ".join(itertools.repeat("1", 2000)))
    rows = read_rows(path, lambda _: None)
    assert next(rows) == ("a.jsonl:1", {"a": 1})
    with pytest.raises(ValueError, match=r"^a\.jsonl:2: what begins here does not end within"):
        next(rows)


@pytest.mark.parametrize(
    ("name", "content", "left"),
    [
        ("a.jsonl", '{"text": "a", "id": 1}\n{"text": "b", "text": "c"}\n{"text": "d"}', ["a.jsonl:1", "a.jsonl:3"]),
        (
            "a.json",
            '[{"text": "a"},\n{"text": "b", "of": {"text": 1,\n"text": 2}},\n{"text": "d"}]',
            ["a.json row 1", "a.json row 3"],
        ),
        ("a.jsonl", text(ASKED) + '\n[{"role": "user", "content": "x", "text": "y", "text": "z"}]', ["a.jsonl:1"]),
    ],
    ids=["a line", "deep in an element of a list", "in a turn of a conversation"],
)  # fmt: skip
def test_a_row_with_one_key_twice_is_named_with_its_line(
    tmp_path: Path, name: str, content: str, left: list[str]
) -> None:
    """JSON itself keeps the last value alone, without a word."""
    rows, told = read(tmp_path / name, content)
    assert [where for where, _ in rows] == left
    assert told == [f"{name}:2: the key text stands twice in one object, and only one of its values could be used"]
