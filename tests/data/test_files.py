"""Data files of every kind: rows as a stream with their places, and errors that name file and row."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cockpit.data.files import DatasetForm, recognise
from cockpit.data.row_error import RowError
from cockpit.data.rows import read_rows
from cockpit.recipe.data import Columns, RowFormat

ROWS: list[dict[str, Any]] = [
    {"instruction": "Say hi", "input": "", "output": "hi"},
    {"instruction": "Grüße, 🦜 \u2028", "input": "a\nb", "output": '"quoted", [x]'},
    {"instruction": "third", "input": "x", "output": "y"},
]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def csv_text(delimiter: str) -> str:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    rows = [list(ROWS[0]), *([str(value) for value in row.values()] for row in ROWS)]
    return "".join(delimiter.join(map(cell, row)) + "\r\n" for row in rows)


@pytest.mark.parametrize(
    ("name", "content", "places"),
    [
        ("a.json", json.dumps(ROWS), ["a.json row 1", "a.json row 2", "a.json row 3"]),
        ("a.json", json.dumps(ROWS, indent=2, ensure_ascii=False), ["a.json row 1", "a.json row 2", "a.json row 3"]),
        ("a.json", lines(ROWS), ["a.json:1", "a.json:2", "a.json:3"]),
        ("a.jsonl", lines(ROWS), ["a.jsonl:1", "a.jsonl:2", "a.jsonl:3"]),
        ("a.jsonl", "\ufeff" + lines(ROWS).replace("\n", "\r\n\r\n"), ["a.jsonl:1", "a.jsonl:3", "a.jsonl:5"]),
        ("a.ndjson", lines(ROWS).rstrip("\n"), ["a.ndjson:1", "a.ndjson:2", "a.ndjson:3"]),
        ("a.jsonl", json.dumps(ROWS), ["a.jsonl row 1", "a.jsonl row 2", "a.jsonl row 3"]),
        ("a.csv", csv_text(","), ["a.csv:2", "a.csv:3", "a.csv:5"]),
        ("a.csv", csv_text(";"), ["a.csv:2", "a.csv:3", "a.csv:5"]),
        ("a.tsv", csv_text("\t"), ["a.tsv:2", "a.tsv:3", "a.tsv:5"]),
    ],
)
def test_rows_and_their_places(name: str, content: str, places: list[str], tmp_path: Path) -> None:
    read = list(read_rows(write(tmp_path / name, content)))
    assert [row for _, row in read] == ROWS
    assert [where for where, _ in read] == places


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS * 1000), path)
    read = list(read_rows(path))
    assert [row for _, row in read] == ROWS * 1000
    assert (read[0][0], read[-1][0]) == ("a.parquet row 1", "a.parquet row 3000")
    assert recognise(path, Columns(), "auto").rows == 3000


def test_each_line_of_a_text_is_a_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "one\n\n  two\r\nthree")
    assert list(read_rows(path)) == [
        ("a.txt:1", {"text": "one"}),
        ("a.txt:3", {"text": "  two"}),
        ("a.txt:4", {"text": "three"}),
    ]


def test_long_json_list_is_read_in_parts(tmp_path: Path) -> None:
    rows = [{"text": "ä🦜" * (index % 700), "n": index, "x": [index / 3, {"y": None}]} for index in range(2000)]
    rows.append({"text": "z" * 600_000, "n": -1, "x": []})
    path = write(tmp_path / "a.json", json.dumps(rows, ensure_ascii=False))
    assert [row for _, row in read_rows(path)] == rows


UNREADABLE = [
    ("a.json", json.dumps(ROWS)[:-20], "a.json row 3: it is no complete JSON object (Expecting value)"),
    ("a.json", json.dumps(ROWS)[:-1], "a.json: the file ends before the list does; its closing ] is missing"),
    (
        "a.json",
        "[{}, {]",
        "a.json row 2: it is no complete JSON object (Expecting property name enclosed in double quotes)",
    ),
    ("a.json", '[{"a": 1} {"a": 2}]', "a.json row 1: a comma or the closing ] is missing after it"),
    ("a.json", "[" * 200_000, "a.json row 1: it is nested too deep"),
    ("a.json", '[{"a": 1}]'.encode("utf-16"), "a.json: the text is UTF-16; save the file as UTF-8"),
    ("a.json", b"[\0\0", "a.json: this is no text; its ending does not fit what it holds"),
    ("a.csv", "a,a\n1,2\n", "a.csv:1: two columns have one name; the first line names the columns"),
    ("a.csv", 'a,b\n1,"2\n', "a.csv:2: this is no complete row (unexpected end of data)"),
    ("a.csv", b"a,b\n1,\xe9\n", "a.csv: the text after line 0 is not UTF-8; save it as UTF-8"),
    ("a.parquet", b"PAR1 no", "a.parquet: it is no complete Parquet file, or is damaged after row 0"),
    ("a.xlsx", b"PK", "a.xlsx has an ending that is not read; give a file that ends in .json, .jsonl, .ndjson, .csv"),
]


@pytest.mark.parametrize(("name", "content", "said"), UNREADABLE)
def test_file_that_cannot_be_read_on(name: str, content: str | bytes, said: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(ValueError) as refused:
        list(read_rows(path, lambda _: None))
    assert str(refused.value).startswith(said)
    assert str(refused.value).isprintable()


BAD_ROWS = [
    (
        "a.jsonl",
        '{"a": 1}\n{"a": \n{"a": 3}\n',
        "a.jsonl:2: this line is no complete JSON object (Expecting value); give a row a line, or a list in []",
    ),
    ("a.jsonl", '{"a": 1}\n3\n{"a": 3}\n', "a.jsonl:2: this row is a number, not an object"),
    (
        "a.jsonl",
        '{"a": 1}\n"\x1b[31m"\n{"a": 3}\n',
        "a.jsonl:2: this line is no complete JSON object (Invalid control character);",
    ),
    ("a.jsonl", b'{"a": 1}\n{"a": "\xff"}\n{"a": 3}\n', "a.jsonl:2: byte 0xff is not UTF-8; save the file as UTF-8"),
    (
        "a.jsonl",
        '{"a": 1}\n' + "[" * 200_000 + '\n{"a": 3}\n',
        "a.jsonl:2: this line is no complete JSON object (nested too",
    ),
    (
        "a.json",
        b'[{"a": 1},\n{"a": "\xff"},\n{"a": 3}]',
        "a.json:2: byte 0xff is not UTF-8; save the file as UTF-8",
    ),
    ("a.json", '[{"a": 1}, ["x"], {"a": 3}]', "a.json row 2: it is a list, not an object"),
    ("a.json", '[{"a": 1}, null, {"a": 3}]', "a.json row 2: it is empty, not an object"),
    ("a.csv", "a\n1\n2,2\n3\n", "a.csv:3: this row has 2 cells, and there are 1 columns"),
]


@pytest.mark.parametrize(("name", "content", "said"), BAD_ROWS)
def test_bad_row_is_told_and_left_out(name: str, content: str | bytes, said: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    told: list[RowError] = []
    assert [str(row["a"]) for _, row in read_rows(path, told.append)] == ["1", "3"]
    assert [str(error)[: len(said)] for error in told] == [said]
    assert str(told[0]).startswith(told[0].where)
    with pytest.raises(RowError):
        list(read_rows(path))


FORMS: list[tuple[dict[str, Any], RowFormat, dict[str, str]]] = [
    (
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        "messages",
        {"messages": "messages"},
    ),
    ({"conversations": [{"role": "user", "content": "a"}], "id": 3}, "messages", {"messages": "conversations"}),
    (ROWS[0], "alpaca", {"prompt": "instruction", "input": "input", "completion": "output"}),
    ({"instruction": "a", "output": "b"}, "alpaca", {"prompt": "instruction", "completion": "output"}),
    ({"prompt": "a", "completion": "b"}, "prompt_completion", {"prompt": "prompt", "completion": "completion"}),
    ({"question": "a", "answer": "b"}, "prompt_completion", {"prompt": "question", "completion": "answer"}),
    (
        {"problem": "a", "generated_solution": "b", "source": "c"},
        "prompt_completion",
        {"prompt": "problem", "completion": "generated_solution"},
    ),
    (
        {"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]},
        "prompt_completion",
        {"prompt": "prompt", "completion": "completion"},
    ),
    ({"input": "a", "output": "b"}, "prompt_completion", {"prompt": "input", "completion": "output"}),
    (
        {"system_prompt": "s", "question": "a", "response": "b"},
        "prompt_completion",
        {"prompt": "question", "completion": "response", "system": "system_prompt"},
    ),
    (
        {"instruction": "a", "context": "c", "response": "b", "category": "d"},
        "alpaca",
        {"prompt": "instruction", "input": "context", "completion": "response"},
    ),
    (
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "tools": "[]", "score": 1},
        "sharegpt",
        {"messages": "conversations", "tools": "tools"},
    ),
    ({"image": "a.png", "text": "b"}, "image_text", {"image": "image", "text": "text"}),
    (
        {"images": [{"bytes": None, "path": "a.png"}], "question": "a", "answer": "b"},
        "image_text",
        {"image": "images", "prompt": "question", "completion": "answer"},
    ),
    ({"text": "a", "meta": {}}, "text", {"text": "text"}),
]


@pytest.mark.parametrize(("row", "form", "columns"), FORMS)
def test_form_is_recognised(row: dict[str, Any], form: RowFormat, columns: dict[str, str], tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines([row] * 3))
    assert recognise(path, Columns(), "auto") == DatasetForm(form, columns, 3, "image" in columns)


READ = (
    "give role/content messages, ShareGPT (from, value), alpaca (instruction, input, output), prompt and completion, "
    "image and text, or text"
)
NAMED = "or say which column is which: columns.prompt and columns.completion, or columns.text"
OTHER_FORMS = [
    (
        {"foo": 1, "\x1b[31m[red]": {}, "parts": [{"who": "a", "says": "b"}]},
        "a.jsonl has a form that is not known: its columns are foo, [red] (an object), parts (a list of who, says); "
        f"{READ}; {NAMED}",
    ),
    ({}, f"a.jsonl has a form that is not known: its columns are none; {READ}"),
]


@pytest.mark.parametrize(("row", "said"), OTHER_FORMS)
def test_other_forms_are_explained(row: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines([row] * 3))
    with pytest.raises(ValueError) as refused:
        recognise(path, Columns(), "auto")
    assert str(refused.value) == said


def test_columns_of_other_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines([{"frage": "a", "antwort": "b", "text": "c"}] * 3))
    named = Columns(prompt="frage", completion="antwort")
    assert recognise(path, named, "auto").form == "prompt_completion"
    assert recognise(path, named, "prompt_completion").columns == {"prompt": "frage", "completion": "antwort"}
    assert recognise(path, Columns(text="antwort"), "auto").columns == {"text": "antwort"}
    assert recognise(path, Columns(), "auto").form == "text"
    with pytest.raises(ValueError, match="has no column 'nope' for prompt; it has frage, antwort, text"):
        recognise(path, Columns(prompt="nope"), "auto")
    with pytest.raises(ValueError) as refused:
        recognise(path, Columns(), "alpaca")
    assert str(refused.value) == (
        "a.jsonl is not alpaca: that needs a column for prompt (instruction) and completion (output or response or "
        "completion); it has frage, antwort, text"
    )
    with pytest.raises(ValueError, match=r"is not messages: that needs a column for messages \(messages or conv"):
        recognise(path, Columns(), "messages")


def test_empty_files_have_no_rows(tmp_path: Path) -> None:
    for name, content in (("a.json", "[]"), ("a.json", ""), ("b.jsonl", "\n\n"), ("a.csv", "a,b\n"), ("a.txt", "")):
        with pytest.raises(ValueError, match="has no rows"):
            recognise(write(tmp_path / name, content), Columns(), "auto")


def test_file_without_a_sound_row_says_what_is_wrong_with_the_first(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", json.dumps(ROWS[0], indent=2)[:-1])
    with pytest.raises(ValueError, match=r"^a\.json:1: lines 1 to 4 are no complete JSON object"):
        recognise(path, Columns(), "auto")


def test_rows_are_counted_without_the_bad_ones_and_again_after_a_change(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "a"}\ntorn\n{"text": "b"}\n')
    assert recognise(path, Columns(), "auto").rows == 2
    write(path, lines([{"text": "c"}] * 5))
    assert recognise(path, Columns(), "auto").rows == 5


def test_large_files_are_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cockpit.data.files.COUNTED_BYTES", 10)
    assert recognise(write(tmp_path / "a.txt", "a longer line\n"), Columns(), "auto").rows is None


def test_folder_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder; give a file"):
        read_rows(tmp_path)
    with pytest.raises(FileNotFoundError):
        recognise(tmp_path / "a.json", Columns(), "auto")


@pytest.mark.parametrize("turns", [5, True, "text", {"role": "user"}, None])
def test_a_row_whose_turns_are_none_does_not_hinder_the_others(turns: object, tmp_path: Path) -> None:
    good = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}
    path = write(tmp_path / "rows.jsonl", lines([good, good, {"messages": turns}]))
    form = recognise(path, Columns(), "auto")
    assert (form.form, form.rows, form.has_images) == ("messages", 3, False)


def test_a_damaged_arrow_file_is_an_error_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    table = pa.table({"text": ["one", "two", "six"]})
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as stream, pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    whole = (tmp_path / "a.arrow").read_bytes()
    places = b"".join(at.to_bytes(4, "little") for at in (0, 3, 6, 9))
    assert whole.count(places) == 1
    damaged = whole.replace(places, places[:8] + (2**31 - 1).to_bytes(4, "little") + places[12:])
    with pytest.raises(ValueError, match=r"a\.arrow: it is no complete Arrow stream, or is damaged after row 0"):
        list(read_rows(write(tmp_path / "a.arrow", damaged)))
