"""The same flight at 120x40 in this process: the real app under Textual's pilot, and the real engine on the CPU."""

import asyncio
import time
from collections.abc import Callable

import pytest

from cockpit.runs.summary import RunSummary
from cockpit.ui.app import CockpitApp
from cockpit.ui.screens.chat import ChatScreen
from cockpit.ui.screens.editor import EditorScreen
from cockpit.ui.screens.live import LiveScreen
from tests.e2e.conftest import engines, only_run, standby_folders
from tests.ui.engines import shown


async def until(holds: Callable[[], object], what: str, timeout_s: float = 240) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout_s} s"
        await asyncio.sleep(0.05)


@pytest.mark.timeout(500)
async def test_pick_change_start_watch_chat_quit(short_recipe: str) -> None:
    app = CockpitApp()
    try:
        async with app.run_test(size=(120, 40)) as pilot:
            await until(lambda: "steps" in shown(app), "the recipe's card")
            await pilot.press("home", "e")
            await until(lambda: isinstance(app.screen, EditorScreen) and "name_or_path" in shown(app), "the editor")
            await pilot.press("pagedown")
            await until(lambda: "lora_alpha" in shown(app), "the LoRA group")
            await pilot.press("8")
            await until(lambda: "16 → 8" in shown(app), "the change in the list of changes")
            await pilot.press("f5")
            await until(lambda: isinstance(app.screen, LiveScreen), "the live screen")
            await until(lambda: "8/8" in shown(app) or isinstance(app.screen, ChatScreen), "the last step")
            await until(lambda: isinstance(app.screen, ChatScreen), "the chat, which opens by itself")
            await pilot.press("enter")
            await until(lambda: "tokens/s" in shown(app), "the tuned model's reply")
            await pilot.press("f3")
            await until(lambda: "The opposite of hot is cold." in shown(app), "the base model's reply")
            await pilot.press("ctrl+q")
        assert RunSummary.of(only_run()).state == "completed"
        assert standby_folders() == []
    finally:
        for process in engines():
            process.kill()
