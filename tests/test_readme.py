import re
import shlex
from pathlib import Path

import pytest
import typer.main

from cockpit.cli import cockpit
from tests.readme_tree import README, ROOT, block

TEXT = README.read_text(encoding="utf-8")
COMMANDS = [line.strip().partition("#")[0] for line in TEXT.splitlines() if re.match(r"    cockpit ", line)]
PICTURES = re.findall(r"!\[[^]]*\]\(([^)]+)\)", TEXT)


def test_the_tree_is_true() -> None:
    assert block() in TEXT, "the tree has changed; write it anew with: python -m tests.readme_tree"


def test_every_module_says_what_it_is() -> None:
    silent = [line for line in block().splitlines() if line.strip().endswith((".py", "/"))]
    assert silent == []


def test_commands_and_pictures_were_found() -> None:
    assert len(COMMANDS) >= 7
    assert len(PICTURES) >= 5


@pytest.mark.parametrize("command", COMMANDS)
def test_command_can_be_parsed(command: str) -> None:
    _, name, *arguments = shlex.split(command)
    group = typer.main.get_command(cockpit)
    context = group.make_context("cockpit", [name, *arguments], resilient_parsing=False)
    found = group.get_command(context, name)  # type: ignore[attr-defined]
    assert found is not None, f"there is no command {name}"
    with found.make_context(name, arguments, parent=context) as parsed:
        assert parsed.info_name == name


@pytest.mark.parametrize("picture", PICTURES)
def test_picture_is_there(picture: str) -> None:
    assert (ROOT / Path(picture)).is_file()


def test_the_first_screen_holds_both_commands() -> None:
    top = "\n".join(TEXT.splitlines()[:25])
    assert "pip install uv && uv run cockpit" in top
    assert "pip install uv && uv run pytest" in top


def test_ci_runs_the_readmes_test_command() -> None:
    assert "uv run pytest" in (ROOT / ".ci" / "run").read_text()
