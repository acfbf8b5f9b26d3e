"""The script of a recipe: sound Python without cockpit, settings with their reasons, and what none is written for."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cockpit.ejecting.reasons import fitted, reasons_in
from cockpit.ejecting.rows_part import UnreadableRows
from cockpit.ejecting.script import notebook_of, script_of
from cockpit.ejecting.unfit import METHODS, unfit
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.library import find_recipe, library
from cockpit.recipe.recipe import Recipe

BASE: dict[str, Any] = {
    "schema": 1,
    "method": "sft",
    "about": {"title": "t", "description": "d", "needs": "CPU", "duration": "1 s"},
    "model": {"name_or_path": "owner/model"},
    "data": {"sources": [{"name_or_path": "owner/rows", "format": "messages"}]},
}


def recipe(**changes: Any) -> Recipe:
    """The base with changes such as lora__use_dora=True."""
    values = json.loads(json.dumps(BASE))
    for name, value in changes.items():
        section, _, field = name.partition("__")
        if field:
            values.setdefault(section, {})[field] = value
        else:
            values[section] = value
    return RecipeDocument.parse(json.dumps(values), "r.yaml").recipe()


def test_every_shipped_recipe_of_text_becomes_a_sound_script(tmp_path: Path) -> None:
    scripts = 0
    for entry in library():
        document = find_recipe(entry.name)
        found = document.recipe()
        if found.method not in METHODS:
            continue
        if unfit(found):
            assert entry.name in ("gemma-3-4b-vision", "qwen3-0.6b-pretraining"), unfit(found)
            continue
        (tmp_path / f"{entry.name}.py").write_text(script_of(found, entry.name, reasons_in(document)))
        scripts += 1
    checks = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F,E9,I002", str(tmp_path)]
    done = subprocess.run(checks, capture_output=True, text=True, check=False)
    assert (done.returncode, scripts >= 14) == (0, True), done.stdout


def test_nothing_of_cockpit_is_in_it() -> None:
    tree = ast.parse(script_of(find_recipe("qwen3-8b").recipe(), "qwen3-8b", {}))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {"numpy", "torch", "unsloth", "datasets", "trl"}


def test_a_setting_stands_beside_its_reason() -> None:
    document = RecipeDocument.parse(
        "training:\n  # Rows are short.\n  # Tried on a T4.\n  packing: true\n"
        "  learning_rate: 2e-5  # it is a long run\n"
        + "\n".join(f"{key}: {json.dumps(value)}" for key, value in BASE.items()),
        "r.yaml",
    )
    found = reasons_in(document)
    assert found == {"training.packing": "Rows are short. Tried on a T4.", "training.learning_rate": "it is a long run"}
    script = script_of(document.recipe(), "r", found)
    assert "    # Rows are short. Tried on a T4.\n    packing=True,\n" in script
    assert "    # it is a long run\n    learning_rate=2e-5,\n" in script


def test_what_was_fitted_says_what_was_written() -> None:
    written = recipe()
    fit = recipe(training__per_device_train_batch_size=8, training__gradient_accumulation_steps=1)
    assert fitted(fit, written) == {
        "training.per_device_train_batch_size": "fitted to the GPU of the run, for the same rows a step; written: 2",
        "training.gradient_accumulation_steps": "fitted to the GPU of the run, for the same rows a step; written: 4",
    }


def test_a_notebook_has_a_cell_for_each_part() -> None:
    script = script_of(recipe(), "r", {})
    book = json.loads(notebook_of(script))
    assert [cell["source"] for cell in book["cells"] if cell["cell_type"] == "markdown"] == [
        ["## The model"], ["## The rows"], ["## Training"]
    ]  # fmt: skip
    code = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert ast.dump(ast.parse("\n".join(code))) == ast.dump(ast.parse(script))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hardware__devices": 2}, "hardware.devices: a script trains in one process; give 1."),
        ({"model__adapter": "last"}, "model.adapter: a script begins with a fresh adapter; leave it empty."),
        ({"model__add_tokens": ["<x>"]}, "model.add_tokens: a script adds no tokens; leave it empty."),
        (
            {"lora__loftq_config": {"loftq_bits": 4}},
            "lora.loftq_config: a script starts the adapter as PEFT usually does; leave it empty.",
        ),
        (
            {"backend": "transformers", "data__chat_template": "chatml", "training__gradient_checkpointing": "none"},
            "data.chat_template: a template by name is Unsloth's; give model, or unsloth as backend.",
        ),
        (
            {"data__keep_reasoning": True},
            "data.keep_reasoning: a script writes what the template writes; give false.",
        ),
        (
            {"data__duplicates": "drop_near"},
            "data.duplicates: a script looks for equal rows alone; give drop or keep.",
        ),
        (
            {"data__long_rows": "split"},
            "data.long_rows: a script splits plain texts alone; leave it empty, or give truncate or drop.",
        ),
        (
            {"data__response_part": "<a>"},
            "data.response_part: a script needs both marks; give instruction_part too, or neither.",
        ),
        (
            {"data__sources": [{"name_or_path": "owner/rows"}]},
            "data.sources.0.format: the rows are not on this disk, and auto looks at them; give the form of the rows.",
        ),
        (
            {"data__sources": [{"name_or_path": "owner/rows", "format": "image_text"}]},
            "data.sources: there is no script for rows with images yet; give rows of text.",
        ),
    ],
)
def test_what_no_script_is_written_for(changes: dict[str, Any], sentence: str) -> None:
    assert unfit(recipe(**changes)) == [sentence]


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ({"chosen": "Yes, so it is", "rejected": "No"}, "answers that no prompt stands before"),
        ({"prompt": "Human: a\n\nAssistant:", "chosen": "b", "rejected": "c"}, "turns that are written as one text"),
        ({"prompt": '[{"role": "user"}]', "chosen": "b", "rejected": "c"}, "turns that are written as one text"),
        (
            {"prompt": [{"role": "user", "content": "a"}], "input": "x", "chosen": "b", "rejected": "c"},
            "an input beside turns",
        ),
    ],
)
def test_answers_that_no_script_is_written_for(tmp_path: Path, row: dict[str, Any], wrong: str) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    sources = [{"name_or_path": str(tmp_path / "rows.jsonl"), "format": "preference"}]
    with pytest.raises(UnreadableRows, match=f"there is no script for rows with {wrong}"):
        script_of(recipe(method="dpo", data__sources=sources), "r", {})


def test_pairs_and_marked_answers_together(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(json.dumps({"prompt": "a", "chosen": "b", "rejected": "c"}) + "\n")
    (tmp_path / "marked.jsonl").write_text(json.dumps({"prompt": "a", "completion": "b", "label": True}) + "\n")
    sources = [{"name_or_path": str(tmp_path / name)} for name in ("pairs.jsonl", "marked.jsonl")]
    with pytest.raises(UnreadableRows, match="pairs and marked answers together; give sources of one form"):
        script_of(recipe(method="kto", data__sources=sources), "r", {})


def test_what_stands_beside_the_answers_of_a_pair(tmp_path: Path) -> None:
    row = {"system": "be short", "question": "a", "input": "x", "chosen": "b", "rejected": "c"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    script = script_of(recipe(method="dpo", data__sources=[{"name_or_path": str(tmp_path / "rows.jsonl")}]), "r", {})
    assert 'conversation(asked, row["chosen"], row.get("system"))' in script
    assert 'more = row.get("input")' in script
    compile(script, "r.py", "exec")


def test_rows_that_no_script_is_written_for(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one\ntwo\n")
    with pytest.raises(UnreadableRows, match=r"words.txt: there is no script for .txt files; give JSON Lines"):
        script_of(recipe(data__sources=[{"name_or_path": str(tmp_path / "words.txt")}]), "r", {})
    turn = {"role": "assistant", "content": "b", "weight": 0}
    (tmp_path / "weights.jsonl").write_text(json.dumps({"messages": [{"role": "user", "content": "a"}, turn]}) + "\n")
    with pytest.raises(UnreadableRows, match=r"weights.jsonl: there is no script for rows with weight in their turns"):
        script_of(recipe(data__sources=[{"name_or_path": str(tmp_path / "weights.jsonl")}]), "r", {})
    call = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "tools": "[]"}
    (tmp_path / "calls.jsonl").write_text(json.dumps(call) + "\n")
    with pytest.raises(UnreadableRows, match=r"calls.jsonl: there is no script for rows with tools"):
        script_of(recipe(data__sources=[{"name_or_path": str(tmp_path / "calls.jsonl")}]), "r", {})


HOSTILE = [
    'x"""+f()+"""',
    '"""\nf()\n"""',
    "\\u",
    "\\",
    '"',
    "a\rf()",
    "a\u2028f()\x85f()",
    "a\x00\x0cb\u202e",
    "%%\nf()",
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_text_of_a_recipe_becomes_code(text: str) -> None:
    def called(script: str) -> list[str]:
        return [ast.unparse(one.func) for one in ast.walk(ast.parse(script)) if isinstance(one, ast.Call)]

    sources = [{"name_or_path": text, "format": "messages", "columns": {"messages": text}, "split": text}]
    hostile = recipe(
        about=BASE["about"] | {"title": text}, model__name_or_path=text, data__sources=sources,
        data__instruction_part=text, data__response_part=text, model__revision=text,
    )  # fmt: skip
    harmless = [{"name_or_path": "a", "format": "messages", "columns": {"messages": "a"}, "split": "a"}]
    plain = recipe(
        model__name_or_path="a", data__sources=harmless,
        data__instruction_part="a", data__response_part="a", model__revision="a",
    )  # fmt: skip
    reasons = {"training.max_length": text, "model.name_or_path": text}
    script = script_of(hostile, text, reasons)
    wanted = called(script_of(plain, "r", {}))
    assert called(script) == wanted
    literals = {one.value for one in ast.walk(ast.parse(script)) if isinstance(one, ast.Constant)}
    assert {text, f"{text}-checkpoints"} <= literals, "each is what the recipe says"
    cells = [cell for cell in json.loads(notebook_of(script))["cells"] if cell["cell_type"] == "code"]
    assert called("\n".join("".join(cell["source"]) for cell in cells)) == wanted
