"""The real app and the real engine on a real pseudo-terminal, keys only: pick, edit, start, watch, chat, quit."""

from collections.abc import Callable
from contextlib import closing

import pytest

from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import ReplyEnded, ReplyStarted
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.summary import RunSummary
from tests.e2e.conftest import only_run, standby_folders, wait_until
from tests.terminal import Terminal

QUESTION = "What is the opposite of hot?"


@pytest.mark.parametrize(("columns", "rows"), [(80, 24)])
def test_pick_change_start_watch_chat_quit(
    app: Callable[..., Terminal], short_recipe: str, columns: int, rows: int
) -> None:
    terminal = app(columns=columns, rows=rows)
    terminal.wait_for("steps")
    terminal.press("home", "e")
    terminal.wait_for("name_or_path")
    terminal.press("pagedown")
    terminal.wait_for("lora_alpha")
    terminal.press("8")
    terminal.wait_for("1 changed")
    terminal.press("f5")
    terminal.wait_for(QUESTION, 240)
    terminal.wait_for("tuned")
    terminal.press("enter")
    wait_until(lambda: terminal.pump() and len(replies()) == 1, "the tuned model's reply")
    terminal.press("f3")
    terminal.wait_for("The opposite of hot is cold.")
    wait_until(lambda: terminal.pump() and len(replies()) == 3, "both replies")
    terminal.press("ctrl+q")
    assert terminal.wait_for_end() == 0

    assert RunSummary.of(only_run()).state == "completed"
    assert RecipeDocument.load(only_run().recipe).recipe().lora.r == 8
    asked = [event for event in EventReader(only_run().chat).poll() if isinstance(event, ReplyStarted)]
    assert asked[0].adapter and {(event.prompt, event.adapter) for event in asked[1:]} == {
        (QUESTION, True),
        (QUESTION, False),
    }
    assert standby_folders() == []


def replies() -> list[ReplyEnded]:
    """The replies that have ended."""
    with closing(EventReader(only_run().chat)) as reader:
        return [event for event in reader.poll() if isinstance(event, ReplyEnded)]
