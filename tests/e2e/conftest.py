"""A recipe that flies the whole way in a few seconds, and the app on a pseudo-terminal."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cockpit.paths import standby_folder, user_recipes_folder
from cockpit.recipe.library import find_recipe
from cockpit.runs.folder import RunDir, all_runs
from tests.terminal import Terminal

APP = [sys.executable, "-m", "cockpit"]


@pytest.fixture
def short_recipe(home: Path) -> str:
    """The demo with eight steps, as a recipe of one's own; it stands behind the demo in the list."""
    document = find_recipe("demo")
    for field, value in {"training.max_steps": 8, "training.warmup_steps": 2, "training.eval_steps": 4}.items():
        document.set(field, value)
    document.set("data.eval_rows", 16)
    user_recipes_folder().mkdir(parents=True, exist_ok=True)
    document.save(user_recipes_folder() / "short.yaml")
    return "short"


@pytest.fixture
def app() -> Iterator[Callable[..., Terminal]]:
    """Start the app; it is ended, and every engine of this home with it, when the test is over."""
    terminals = []

    def start(*arguments: str, columns: int = 120, rows: int = 40, command: list[str] | None = None) -> Terminal:
        terminals.append(Terminal([*(command or APP), *arguments], columns, rows, os.environ))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()
    for process in engines():
        process.kill()


def engines() -> list[psutil.Process]:
    """The engines of this test's home, told by the folder on their command line."""
    home = os.environ["COCKPIT_HOME"]
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "cockpit.engine" in line and any(part.startswith(home) for part in line):
            found.append(process)
    return found


def wait_until(holds: Callable[[], object], what: str, timeout_s: float = 180) -> None:
    """Wait until `holds()`. Raises AssertionError naming `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout_s} s"
        time.sleep(0.05)


def only_run() -> RunDir:
    """The one run of this home."""
    (run,) = all_runs()
    return run


def standby_folders() -> list[Path]:
    """What lies in the standby folder."""
    return list(standby_folder().iterdir()) if standby_folder().is_dir() else []
