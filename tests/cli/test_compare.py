"""cockpit compare: runs side by side, and where their recipes differ."""

from __future__ import annotations

import json

from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from tests.recording import record


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cockpit, ["compare", *arguments])


def test_runs_side_by_side() -> None:
    first = record(runs_folder(), run_id="one")
    second = record(runs_folder(), run_id="two", ending="stopped", until=60)
    second.recipe.write_text(second.recipe.read_text().replace("r: 16", "r: 4").replace("title: A", "title: Another"))
    told = json.loads(call("one", "two", "--json").stdout)
    assert [one["id"] for one in told["runs"]] == [first.id, second.id]
    assert [one["state"] for one in told["runs"]] == ["completed", "stopped"]
    assert told["runs"][0]["best_held_out"] < told["runs"][1]["best_held_out"]
    assert told["differences"] == {"lora.r": [16, 4]}, "a title trains nothing"
    lines = call("one", "two").stdout.splitlines()
    assert lines[0].split() == ["one", "two"]
    assert next(line for line in lines if line.startswith("steps")).split() == ["steps", "300/300", "60/300"]
    assert lines[-1].split() == ["lora.r", "16", "4"]


def test_recipes_that_train_the_same() -> None:
    for name in ("one", "two"):
        record(runs_folder(), run_id=name, until=3, steps=3)
    assert call("one", "two").stdout.splitlines()[-1] == "Their recipes train the same."


def test_what_cannot_be_compared() -> None:
    record(runs_folder(), run_id="one", until=3, steps=3)
    assert call("one").exit_code == 2
    assert call("one", "one").stderr == "Two to 6 different runs can be compared; this is one.\n"
    assert call("one", "nothing").exit_code == 2


def test_a_damaged_recipe_leaves_the_figures() -> None:
    record(runs_folder(), run_id="one", until=3, steps=3)
    record(runs_folder(), run_id="two", until=3, steps=3).recipe.write_text("{")
    found = call("one", "two")
    assert found.exit_code == 0 and "3/3" in found.stdout
    assert "lora.r" not in found.stdout and "the same" not in found.stdout
    assert found.stderr == "The recipe of two cannot be read, so it is compared with no other.\n"
