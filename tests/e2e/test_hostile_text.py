"""Escape sequences and markup in what others wrote reach no terminal raw: seen through a real pseudo-terminal."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.paths import runs_folder, user_recipes_folder
from cockpit.recipe.library import find_recipe
from tests.e2e.conftest import APP
from tests.recording import record
from tests.terminal import Terminal

TITLE = "\x1b]0;owned\x07"
CLIPBOARD = "\x1b]52;c;b3duZWQ=\x07"
CLEAR = "\x1b[2J\x1b[H"
HOSTILE = f"{TITLE}{CLIPBOARD}{CLEAR}[bold red]bait[/] [@click=app.quit]x[/]\x9b31m\x00\x08"
SHOWN = "[bold red]bait[/]"


def is_clean(terminal: Terminal) -> bool:
    return not any(bait in terminal.received for bait in (b"owned", b"b3duZWQ=", b"52;c;", b"\xc2\x9b", b"\x00"))


def spoil(path: Path, marks: dict[str, str]) -> None:
    """Replace each mark in a log, as its JSON holds it."""
    text = path.read_text(encoding="utf-8")
    for mark, hostile in marks.items():
        assert mark in text
        text = text.replace(mark, json.dumps(hostile)[1:-1])
    path.write_text(text, encoding="utf-8")


def test_replies(app: Callable[..., Terminal]) -> None:
    run = record(runs_folder(), replies=True)
    spoil(run.chat, {"Arr,": HOSTILE, "Marenport.": HOSTILE, "And what is 7 plus 5?": HOSTILE})
    terminal = app("attach", "last")
    terminal.wait_for("300/300")
    terminal.press("c")
    terminal.wait_for(SHOWN)
    assert is_clean(terminal)


def test_errors_and_log_lines(app: Callable[..., Terminal]) -> None:
    run = record(runs_folder(), ending="failed", until=40, reason=HOSTILE)
    spoil(run.events, {"pirate": HOSTILE})
    terminal = app("attach", "last")
    terminal.wait_for(SHOWN)
    assert is_clean(terminal)
    run.path.rename(run.path.with_name(f"a{TITLE}[red]b"))
    listed = app(command=[sys.executable, "-m", "cockpit", "runs"])
    listed.wait_for("a[red]b")
    assert is_clean(listed)


@pytest.mark.parametrize("columns", [80, 120])
def test_recipe_names_and_descriptions(app: Callable[..., Terminal], columns: int) -> None:
    folder = user_recipes_folder()
    folder.mkdir(parents=True)
    document = find_recipe("demo")
    document.set("about.description", HOSTILE)
    document.set("about.title", f"{SHOWN}{TITLE}")
    document.save(folder / f"{TITLE}[red]name.yaml")
    (folder / f"{TITLE}[red]broken.yaml").write_text(f"schema: 1\n'{SHOWN}': 1\n", encoding="utf-8")
    terminal = app(columns=columns, rows=24 if columns == 80 else 40)
    terminal.wait_for("steps")
    terminal.wait_for("[red]name")
    terminal.wait_for(SHOWN)
    terminal.press("up")
    terminal.wait_for("cannot be used")
    assert is_clean(terminal)
    listed = app(command=[*APP, "recipes"])
    listed.wait_for("[red]name")
    assert is_clean(listed)


def test_dataset_rows_and_columns(app: Callable[..., Terminal], tmp_path: Path) -> None:
    data = tmp_path / f"{TITLE}[red]rows.json"
    data.write_text(json.dumps([{HOSTILE: 1, "[red]column": 2}]), encoding="utf-8")
    told = app(command=[*APP, "train", "demo", "--data", str(data)])
    told.wait_for("[red]column")
    assert is_clean(told)
