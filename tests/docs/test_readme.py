"""The README keeps its promises: commands parse, pictures exist, rows of data are recognised, the rooms are there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import typer.main

from cockpit.cli import cockpit
from cockpit.data.files import recognise
from cockpit.recipe.data import Columns
from cockpit.remote.host import Host
from tests.docs.pages import ROOT, code_block

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.strip().partition("#")[0] for line in TEXT.splitlines() if re.match(r"    cockpit ", line)]
PICTURES = re.findall(r"!\[[^]]*\]\(([^)]+)\)", TEXT)
ROWS = re.findall(r"^\| ([^|]+) \| `(\{.+\})` \|$", TEXT, flags=re.MULTILINE)
FORMS = {
    "messages": "messages",
    "ShareGPT, with or without tools": "sharegpt",
    "alpaca": "alpaca",
    "prompt and completion": "prompt_completion",
    "plain text": "text",
    "images with text": "image_text",
}


def test_it_is_short() -> None:
    assert len(TEXT.splitlines()) < 160


def test_commands_pictures_and_rows_were_found() -> None:
    assert len(COMMANDS) >= 7
    assert len(PICTURES) >= 5
    assert [name for name, _ in ROWS] == list(FORMS)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_can_be_parsed(command: str) -> None:
    _, name, *arguments = shlex.split(command)
    if name.startswith("ssh://"):
        assert all(Host.parse(url).target for url in (name, *arguments))
        return
    group = typer.main.get_command(cockpit)
    context = group.make_context("cockpit", [name, *arguments], resilient_parsing=False)
    found = group.get_command(context, name)  # type: ignore[attr-defined]
    assert found is not None, f"there is no command {name}"
    with found.make_context(name, arguments, parent=context) as parsed:
        assert parsed.info_name == name


@pytest.mark.parametrize("picture", PICTURES)
def test_picture_is_there(picture: str) -> None:
    assert (ROOT / Path(picture)).is_file()


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_a_row_of_data_has_the_form_that_stands_before_it(name: str, row: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(json.loads(row)) + "\n", encoding="utf-8")
    assert recognise(path, Columns(), "auto").form == FORMS[name]


def test_the_first_screen_holds_both_commands() -> None:
    top = "\n".join(TEXT.splitlines()[:25])
    assert "pip install uv && uv run cockpit" in top
    assert "pip install uv && uv run pytest" in top


def test_ci_runs_the_readmes_test_command() -> None:
    assert "uv run pytest" in (ROOT / ".ci" / "run").read_text()


def test_each_room_of_the_picture_exists_and_none_is_missing() -> None:
    picture = code_block(TEXT, "cockpit/")
    named = re.findall(r"^[├└]── (\S+)", picture, flags=re.MULTILINE)
    gone = [name for name in named if not (ROOT / "cockpit" / name).exists()]
    rooms = {f"{path.parent.name}/" for path in (ROOT / "cockpit").glob("*/__init__.py")}
    assert gone == []
    assert rooms - set(named) == set(), "README.md, The house: give each new folder of cockpit/ its line"
