"""What the chat does with conversations: again, edit, copy, save, keep and go on, fold and show as written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from cockpit.protocol import events as ev
from cockpit.protocol.commands import Chat
from cockpit.runs.conversations import kept_conversations
from cockpit.ui.screens.chat import ChatScreen
from cockpit.ui.screens.conversations import ConversationsDialog
from cockpit.ui.screens.transcript_dialog import TranscriptDialog
from cockpit.ui.widgets.prompt_field import PromptField
from tests.ui.talking import TRIAL, Talking, keys, shown
from tests.ui.waiting import ahead, until


def said(chat: Chat) -> list[str]:
    return [message["content"] for message in chat.messages]


async def answer(talking: Talking, pilot: Pilot[Any], text: str, prompt: str = "") -> None:
    """Ask, and have it answered."""
    ahead(pilot, *prompt)
    await pilot.press("enter")
    await talking.was_asked(pilot)
    talking.reply(text)
    await until(pilot, lambda: text in shown(pilot)[-1] and "tokens/s" in shown(pilot)[-1])


async def test_the_last_prompt_is_asked_again(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("ctrl+r")
        assert not talking.asked, "nothing has been asked yet"
        await answer(talking, pilot, "One.")
        await pilot.press("ctrl+r")
        assert said(talking.asked[-1]) == [TRIAL]
        talking.reply("Other.")
        await until(pilot, lambda: "Other." in shown(pilot)[-1])
        await answer(talking, pilot, "Two.", "and")
        assert said(talking.asked[-1]) == [TRIAL, "Other.", "and"]


async def test_the_last_turn_is_edited(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await answer(talking, pilot, "One.")
        await answer(talking, pilot, "Two.", "adn")
        await pilot.press("f2")
        field = pilot.app.screen.query_one(PromptField)
        assert (field.text, field.has_focus) == ("adn", True)
        await until(pilot, lambda: [text.split()[0] for text in shown(pilot)] == ["you", "tuned"])
        field.text = "and"
        await pilot.press("enter")
        assert said(talking.asked[-1]) == [TRIAL, "One.", "and"]


async def test_the_reply_is_copied_as_it_was_written(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f6")
        await answer(talking, pilot, "plain")
        talking.link.events.append(ev.ReplyGrew(command_id=talking.asked[-1].id, text=" **bold** \x1b[31m"))
        await until(pilot, lambda: "**bold**" in talking.session.state.newest_replies()[0].text)
        await pilot.press("f6")
        assert pilot.app.clipboard == "plain **bold** "
        await pilot.press("f3")
        await talking.was_asked(pilot)
        talking.reply_both("No.", "Arr.")
        await until(pilot, lambda: "Arr." in shown(pilot)[-1])
        await pilot.press("f6")
        assert pilot.app.clipboard == "base:\nNo.\n\ntuned:\nArr."


async def test_a_conversation_is_saved(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await answer(talking, pilot, "One.")
        for name in ("talk.md", "talk.jsonl"):
            await pilot.press("ctrl+s")
            await until(pilot, lambda: isinstance(pilot.app.screen, TranscriptDialog))
            pilot.app.screen.query_one(Input).value = str(tmp_path / name)
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(pilot.app.screen, ChatScreen))
        assert f"**you**\n\n{TRIAL}\n\n**tuned**\n\nOne.\n" in (tmp_path / "talk.md").read_text()
        row = json.loads((tmp_path / "talk.jsonl").read_text())
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, TranscriptDialog))
        pilot.app.screen.query_one(Input).value = str(tmp_path / "no" / "talk.md")
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, TranscriptDialog), "there is no such folder"


async def test_conversations_are_kept_and_gone_on_with(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await answer(talking, pilot, "One.")
        await pilot.press("ctrl+n")
        await answer(talking, pilot, "Other.", "else")
    later = Talking(tmp_path / "later", link=talking.link)
    later.session.state = talking.session.state
    assert [one.turns[0].prompt for one in kept_conversations(talking.link.run)] == ["else", TRIAL]
    async with later.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f7")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConversationsDialog))
        assert pilot.app.screen.query_one(OptionList).option_count == 2
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChatScreen))
        await until(pilot, lambda: [text.split()[0] for text in shown(pilot)] == ["you", "tuned"])
        ahead(pilot, *"go on")
        await pilot.press("enter")
        assert said(later.asked[-1]) == [TRIAL, "One.", "go on"]


async def test_replies_are_shown_as_written_and_reasoning_is_unfolded(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        await talking.was_asked(pilot)
        talking.reply(end=None)
        talking.link.events.append(ev.ReplyGrew(command_id=talking.asked[-1].id, text="**bold**", thinking="I think."))
        talking.end()
        await until(pilot, lambda: shown(pilot)[-1].endswith("▸ reasoned in 2 words\nbold"))
        await pilot.press("ctrl+g")
        await until(pilot, lambda: shown(pilot)[-1].endswith("▸ reasoned in 2 words\n**bold**"))
        await pilot.press("ctrl+b")
        await until(pilot, lambda: shown(pilot)[-1].endswith("▾ reasoned in 2 words\nI think.\n**bold**"))
        await pilot.press("ctrl+b", "ctrl+g")
        await until(pilot, lambda: shown(pilot)[-1].endswith("▸ reasoned in 2 words\nbold"))
        assert "again" in keys(pilot)


async def test_it_opens_with_the_samples_of_the_recipe(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    for step, text in ((0, "I am a model."), (30, "Arr, a pirate!")):
        sample = ev.SampleAnswered(
            step=step, index=0, prompt="Who are you?", text=text, end="end_of_turn", new_tokens=5, duration_s=0.1
        )
        talking.session.state.apply(sample)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(shown(pilot)) == 3)
        prompt, both, hint = shown(pilot)
        assert prompt == "sample prompt of the recipe\nWho are you?"
        assert "I am a model." in both and "Arr, a pirate!" in both
        assert hint.startswith("Training is complete after step 30: in 11 s. Enter sends")
