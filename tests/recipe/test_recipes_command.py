"""cockpit recipes: the table, one recipe, the check of folders, the schema."""

import io
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.paths import shipped_recipes_folder, user_recipes_folder
from cockpit.recipe.schema import json_schema
from tests.recipe.sample import SAMPLE


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cockpit, ["recipes", *arguments])


def on_terminal(monkeypatch: pytest.MonkeyPatch, *arguments: str, columns: int = 80) -> list[str]:
    """The lines that the command writes where stdout is a terminal without colours."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")
    cockpit(["recipes", *arguments], standalone_mode=False)
    return screen.getvalue().splitlines()


def test_piped_list_has_a_line_a_recipe() -> None:
    result = run()
    assert result.exit_code == 0
    first = result.stdout.splitlines()[0].split("\t")
    assert (first[0], first[1], first[-1], len(first)) == ("demo", "CPU", "shipped", 5)


def test_table_fits_80_columns_and_shows_strangers_strings_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = user_recipes_folder()
    folder.mkdir(parents=True)
    long_title = '"\\e]0;owned\\a[bold]' + "very long words " * 3 + '"'
    (folder / "\x1b[31m[red]mine.yaml").write_text(SAMPLE.replace("title: A sample", f"title: {long_title}"))
    (folder / "truncated.yaml").write_text("a: [")
    lines = on_terminal(monkeypatch)
    assert max(map(len, lines)) <= 80
    whole = " ".join("\n".join(lines).split())
    assert "\x1b" not in whole
    assert "\x07" not in whole
    assert "[red]mine" in whole
    assert "[bold]very long" in whole
    assert "owned" not in whole
    assert "truncated" in whole


def test_list_says_what_is_wrong_with_a_recipe() -> None:
    folder = user_recipes_folder()
    folder.mkdir(parents=True)
    (folder / "odd.yaml").write_text(SAMPLE.replace("r: 16", "rr: 16"))
    (folder / "truncated.yaml").write_text("a: [")
    result = run()
    assert result.exit_code == 0
    told = {line.split("\t")[0]: line.split("\t")[3] for line in result.stdout.splitlines()}
    assert told["odd"].startswith("✗ odd.yaml:")
    assert "lora.rr: " in told["odd"]
    assert told["truncated"].startswith("✗ truncated.yaml")
    assert "✗" not in told["demo"]


def test_show_prints_the_file_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (shipped_recipes_folder() / "demo.yaml").read_text()
    assert run("show", "demo").stdout == text
    lines = on_terminal(monkeypatch, "show", "demo")
    assert "\n".join(lines).endswith(text.rstrip("\n"))
    assert len(lines) > len(text.splitlines()) + 3
    assert "Needs CPU." in "\n".join(lines)


def test_show_says_what_it_did_not_find() -> None:
    result = run("show", "demmo")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "demmo: there is no recipe of this name; did you mean demo?\n"


def test_check_goes_through_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one.yaml").write_text(SAMPLE)
    (tmp_path / "a" / "b" / "two.yml").write_text(SAMPLE)
    result = run("check", "a", "a/one.yaml", "demo")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "3 recipes are fine\n", "")
    (tmp_path / "a" / "b" / "bad.yaml").write_text(SAMPLE.replace("r: 16", "r: 0"))
    result = run("check", "a")
    assert (result.exit_code, result.stdout) == (2, "2 recipes are fine, 1 not\n")
    said = "lora.r: 0 is below the smallest value; give a whole number from 1 to 1024"
    assert result.stderr == f"a/b/bad.yaml:24: {said}\n"


def test_check_without_a_path_checks_the_shelf() -> None:
    shipped = len(list(shipped_recipes_folder().rglob("*.yaml")))
    assert run("check").stdout == f"{shipped} recipes are fine\n"


def test_schema_is_json_with_help_and_bounds() -> None:
    result = run("schema")
    assert (result.exit_code, result.stdout) == (0, json_schema())
    schema = json.loads(result.stdout)
    rank = schema["$defs"]["Lora"]["properties"]["r"]
    assert (rank["minimum"], rank["maximum"], rank["default"]) == (1, 1024, 16)
    assert rank["description"].startswith("Rank:")
    assert set(schema["required"]) == {"model", "data"}
    assert schema["additionalProperties"] is False
