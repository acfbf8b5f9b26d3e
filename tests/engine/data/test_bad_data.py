"""Bad data: one clear sentence each, before the start where it can be seen there (exit 2), else when it is read (1)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cockpit.engine.data.prepare import prepare_data
from cockpit.engine.data.row_reader import RowReader
from cockpit.engine.errors import RunFailure
from cockpit.machine.gpu import GpuReport
from cockpit.preflight.checks import preflight
from cockpit.protocol.events import RunEnded
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.problem import RecipeError
from tests.engine import tiny

GOOD = {"messages": tiny.pair("what is one", "arr matey")}
CHOSEN = {"from": "gpt", "value": "a"}
READ = (
    "give role/content messages, ShareGPT (from, value), alpaca (instruction, input, output), prompt and completion, "
    "image and text, or text"
)
NAMED = "or say which column is which: columns.prompt and columns.completion, or columns.text"


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


BEFORE: dict[str, tuple[str, str | bytes, str]] = {
    "not UTF-8 in a list": (
        "a.json",
        b'[{"text": "caf\xe9"}]',
        "a.json:1: byte 0xe9 is not UTF-8; save the file as UTF-8",
    ),
    "not UTF-8 anywhere": ("a.jsonl", b"\xff\xfe\xfd\n", "a.jsonl: the text is UTF-16; save the file as UTF-8"),
    "no text at all": ("a.jsonl", b"\0\0\0", "a.jsonl: this is no text; its ending does not fit what it holds"),
    "truncated list": ("a.json", '[{"text": "a"}, {"te', "a.json row 2: it is no complete JSON object"),
    "list without an end": ("a.json", '[{"text": "a"}', "the file ends before the list does; its closing ] is missing"),
    "truncated lines alone": ("a.jsonl", '{"text": \n{"text"\n', "a.jsonl:1: this line is no complete JSON object"),
    "empty file": ("a.jsonl", "", "a.jsonl has no rows"),
    "empty list": ("a.json", "[]", "a.json has no rows"),
    "header alone": ("a.csv", "prompt,completion\n", "a.csv has no rows"),
    "numbers": ("a.json", "[1, 2]", "a.json row 1: it is a number, not an object"),
    "preferences": (
        "a.jsonl",
        lines({"conversations": [{"from": "human", "value": "q"}], "chosen": CHOSEN, "rejected": CHOSEN}),
        "a.jsonl holds preference pairs (chosen, rejected), which DPO, ORPO, CPO, SimPO and reward models learn from",
    ),
    "unknown form": (
        "a.jsonl",
        lines({"foo": 1, "bar": [1]}),
        f"a.jsonl has a form that is not known: its columns are foo, bar (a list); {READ}; {NAMED}",
    ),
    "turns of another kind": (
        "a.jsonl",
        lines({"turns": [{"who": "a", "says": "b"}]}),
        "but in a.jsonl:1 turns is a list of turns with the keys who, says; a turn has role and content, or from and",
    ),
    "truncated quote": (
        "a.csv",
        'prompt,completion\na,"b\n',
        "a.csv:2: this is no complete row (unexpected end of data)",
    ),
    "two columns of one name": ("a.csv", "a,a\n1,2\n", "a.csv:1: two columns have one name"),
    "Parquet that is none": ("a.parquet", b"PAR1 no", "a.parquet: it is no complete Parquet file, or is damaged"),
    "unknown ending": ("a.xlsx", b"PK", "a.xlsx has an ending that is not read; give a file that ends in .json"),
}
SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "missing column": (
        {"columns": {"prompt": "frage"}},
        "a.jsonl has no column 'frage' for prompt; it has messages",
    ),
    "another form": ({"format": "alpaca"}, "a.jsonl is not alpaca: that needs a column for prompt (instruction)"),
    "pictures that are none": ({"format": "image_text"}, "a.jsonl is not image_text: that needs a column for image"),
    "split of a file": ({"split": "test"}, "a.jsonl is a file, which has no splits; leave split as train"),
    "subset of a file": ({"subset": "main"}, "data on this disk has no subsets; leave it empty"),
    "instruction for messages": (
        {"instruction": "Write it down.", "format": "messages"},
        "rows of the form messages have no place for an instruction of their own",
    ),
    "ratio to nothing": ({"ratio": 0.5}, "there is only one source; leave it empty, or add a source"),
    "no file": ({"name_or_path": "./none.jsonl"}, "there is no such file: ./none.jsonl; give a file that ends in"),
    "no name": ({"name_or_path": "not a name"}, "'not a name' is neither a file here nor a name on the Hub"),
}
READING: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "empty answers": ([{"messages": tiny.pair("q", " ")}] * 3, {}, "The first one: a.jsonl:1: the answer is empty."),
    "nothing answered": ([{"messages": GOOD["messages"][:1]}], {}, "a.jsonl:1: there is no answer to learn."),
    "unknown role": (
        [{"messages": [{"role": "boss", "content": "x"}]}],
        {},
        "a.jsonl:1: turn 1 has the role 'boss'; known are system, user, assistant, tool, and ",
    ),
    "roles out of order": (
        [{"messages": list(reversed(GOOD["messages"]))}],
        {},
        "a.jsonl:1: turn 1 is an answer, and nobody has asked before it.",
    ),
    "late system turn": (
        [{"messages": [GOOD["messages"][0], {"role": "system", "content": "x"}, GOOD["messages"][1]]}],
        {},
        "a.jsonl:1: turn 2 is a system turn, which can only be the first.",
    ),
    "result of no tool": (
        [{"messages": [GOOD["messages"][0], {"role": "tool", "content": "x"}, GOOD["messages"][1]]}],
        {},
        "a.jsonl:1: turn 2 is what a tool returned, and no turn of the assistant stands before it.",
    ),
    "tools that are no JSON": ([{**GOOD, "tools": "[{"}], {}, "a.jsonl:1: tools is no complete JSON."),
    "answers beyond the length": (
        [{"messages": tiny.pair("what " * 200, "arr")}],
        {},
        "a.jsonl:1: no token of an answer stands within its first 128 tokens.",
    ),
    "one bad row that may not be": (
        [GOOD, GOOD, {"messages": []}],
        {"data__on_bad_row": "fail"},
        "a.jsonl:3: messages has no turns.",
    ),
    "half a character": (
        [{"messages": tiny.pair("q", "arr \ud83d")}],
        {},
        "a.jsonl:1: its text holds half a character (\\ud83d), as a cut emoji leaves one.",
    ),
}


def recipe_text(source: dict[str, Any], **changes: Any) -> str:
    changes = {"data__sources": [source], "data__eval_rows": 0, **changes}
    return tiny.recipe_text(Path("embedded:demo"), Path("a"), backend="transformers", **changes)


def told_before(source: dict[str, Any]) -> list[str]:
    """What is said before the start, where `cockpit train` ends with 2."""
    try:
        recipe = RecipeDocument.parse(recipe_text(source), "bad.yaml").recipe()
    except RecipeError as error:
        return [str(problem) for problem in error.problems]
    return [str(problem) for problem in preflight(recipe, GpuReport(), "bad.yaml")]


@pytest.mark.parametrize("case", BEFORE)
def test_bad_file_is_told_before_the_start(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, content, sentence = BEFORE[case]
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (told,) = told_before({"name_or_path": name})
    assert told.startswith("bad.yaml: data.sources.0.name_or_path: ")
    assert sentence in told
    assert told.isprintable()


@pytest.mark.parametrize("case", SETTINGS)
def test_bad_setting_is_told_before_the_start(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, sentence = SETTINGS[case]
    monkeypatch.chdir(tmp_path)
    tiny.write_rows(Path("a.jsonl"), [GOOD] * 3)
    told = told_before({"name_or_path": "a.jsonl", **source})
    (about_data,) = [one for one in told if ": data." in one]
    assert sentence in about_data


@pytest.mark.parametrize("case", READING)
def test_bad_rows_end_the_run_with_a_sentence(case: str, tmp_path: Path) -> None:
    rows, changes, sentence = READING[case]
    path = tiny.write_rows(tmp_path / "a.jsonl", rows)
    recipe = RecipeDocument.parse(recipe_text({"name_or_path": str(path)}, **changes), "bad.yaml").recipe()
    assert preflight(recipe, GpuReport(), "bad.yaml") == []
    with pytest.raises(RunFailure) as failure:
        prepare_data(recipe, tiny.make_tokenizer(), lambda text: None, lambda done, total: None)
    assert sentence in f"{failure.value} {failure.value.advice}"


def test_the_command_ends_with_2_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    command = [sys.executable, "-m", "cockpit", "train", "demo", "--data", str(tmp_path / "a.parquet")]
    env = {"COCKPIT_HOME": str(tmp_path / "home"), "CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "a.parquet: it is no complete Parquet file" in done.stderr
    assert not list((tmp_path / "home").rglob("recipe.yaml"))


def test_a_run_that_fails_on_its_rows_leaves_no_adapter(tmp_path: Path, hosted: Callable[..., Any]) -> None:
    run = hosted(data=tiny.write_rows(tmp_path / "a.jsonl", [{"messages": tiny.pair("q", " ")}]))
    run.until_ended()
    (ended,) = run.all(RunEnded)
    assert ended.outcome == "failed"
    assert ended.reason == "No row of the data can be learnt from. The first one: a.jsonl:1: the answer is empty."
    assert "cockpit data" in ended.advice
    assert not run.run.adapter.exists()
    assert not run.run.checkpoints.exists() or not list(run.run.checkpoints.iterdir())


def test_an_answer_that_a_later_row_marks_as_undesired_is_never_trained(tmp_path: Path) -> None:
    """The form is told by the first 100 rows, in which nothing speaks of it. Numbers of classes are no marks."""
    plain = {"prompt": "q", "completion": "a"}
    for first, refused in (({}, 3), ({"label": 4}, 1)):
        rows = [{**plain, **first}] * 100 + [{**plain, "label": mark} for mark in (1, 0, 0.0, False, True)]
        text = tiny.recipe_text(tmp_path, tiny.write_rows(tmp_path / "rows.jsonl", rows), data__on_bad_row="skip")
        reader = RowReader(RecipeDocument.parse(text, "test").recipe(), lambda sentence: None)
        assert len(list(reader.read())) == len(rows) - refused
        assert reader.refusals[0].endswith("its label says that its answer is not desired.")
