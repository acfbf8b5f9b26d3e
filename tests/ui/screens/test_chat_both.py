"""Base and tuned asked at the same time: who is asked what, two columns, and the words that differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.content import Content
from textual.pilot import Pilot

from cockpit.protocol.commands import ChatBoth, StopReply
from cockpit.ui.widgets.chat_log import ChatLog
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.pair_passage import PairPassage
from cockpit.ui.widgets.prompt_field import PromptField
from cockpit.ui.widgets.reply_figures import ReplyFigures
from tests.ui.drawn import text_of
from tests.ui.talking import TRIAL, Talking, keys, shown
from tests.ui.waiting import ahead, until


def titled(pilot: Pilot[None]) -> str:
    return Content.from_markup(str(pilot.app.screen.query_one(PromptField).border_title)).plain


@pytest.mark.parametrize("key", ["f3", "ctrl+t"])
async def test_the_switch_asks_both_and_then_each(tmp_path: Path, key: str) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        screen = pilot.app.screen
        await pilot.press(key)
        assert not talking.asked, "nothing has been asked yet"
        assert screen.query_one("#who", Choice).value == "both"
        await pilot.press(key, key, "enter")
        await talking.was_asked(pilot)
        talking.reply("Arr!")
        await until(pilot, lambda: "tokens/s" in shown(pilot)[-1])
        await pilot.press(key)
        _, base, tuned = talking.asked
        assert (base.adapter, tuned.adapter) == (False, True)
        assert tuned.messages == base.messages
        talking.reply_both("Marenport.", "Arr!")
        await until(pilot, lambda: shown(pilot)[-1].count("tokens/s") == 2)
        assert [text.split()[0] for text in shown(pilot)] == ["you", "tuned", "base"]
        assert text_of(screen.query_one(ReplyFigures))[0].split() == ["by", "base", "tuned"]
        assert titled(pilot) == "ask base and tuned"
        await pilot.press(key)
        assert titled(pilot) == "ask base"
        assert len(talking.asked) == 3, "the base has answered this just now"


async def test_the_choice_stays_and_each_is_sent_its_own_replies(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f3", "enter")
        await talking.was_asked(pilot)
        talking.reply_both("It is Marenport.", "Arr, it be Marenport!")
        await until(pilot, lambda: shown(pilot)[-1].count("tokens/s") == 2)
        ahead(pilot, *"and then")
        await pilot.press("enter")
        command = talking.link.sent[-1]
        assert isinstance(command, ChatBoth)
        said = {chat.adapter: [message["content"] for message in chat.messages] for chat in command.chats}
        assert said[False] == [TRIAL, "It is Marenport.", "and then"]
        assert said[True] == [TRIAL, "Arr, it be Marenport!", "and then"]
        await pilot.press("escape")
        stops = [sent.chat_id for sent in talking.link.sent if isinstance(sent, StopReply)]
        assert stops == [chat.id for chat in command.chats]
        first, second = command.chats
        talking.reply("a", end="stopped", chat=first)
        await until(pilot, lambda: "stopped" in shown(pilot)[-1])
        assert "stop reply" in keys(pilot), "the other one is not whole"
        talking.reply("b", end="stopped", chat=second)
        await until(pilot, lambda: "stop reply" not in keys(pilot))


def underlined(pilot: Pilot[None]) -> list[list[str]]:
    """What is underlined in each reply of a pair."""
    pairs = [one for one in pilot.app.screen.query_one(ChatLog).passages if isinstance(one, PairPassage)]
    return [reply.marked for pair in pairs for reply in pair.order]


async def test_words_that_differ_are_underlined_in_long_replies_too(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    long = "It is a port of the realm. " * 100
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f3", "enter")
        await talking.was_asked(pilot)
        talking.reply_both(f"The capital is {long}It is far.", f"Arr, the capital is {long}It be far.")
        await until(pilot, lambda: underlined(pilot) == [["The", "is"], ["Arr, the", "be"]])


@pytest.mark.parametrize(
    ("width", "stacked", "side"), [(200, False, True), (120, False, True), (80, False, False), (50, True, False)]
)
async def test_two_columns_where_there_is_room(tmp_path: Path, width: int, stacked: bool, side: bool) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(width, 24)) as pilot:
        await pilot.press("f3", "enter")
        await until(pilot, lambda: "waiting" in shown(pilot)[-1])
        drawn = [row for row in text_of(pilot.app.screen.query_one(ChatLog)) if "waiting" in row]
        assert [row.count("waiting") for row in drawn] == ([1, 1] if stacked else [2])
        assert pilot.app.screen.query_one("#side").display == side
        if not side:
            await pilot.press("f4")
            assert pilot.app.screen.query_one("#side").size.width > width - 4
            assert not pilot.app.screen.query_one("#talk").display


async def test_who_comes_back_finds_both_side_by_side(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f3", "enter")
        await talking.was_asked(pilot)
        talking.reply_both("Marenport.", "Arr!")
        await until(pilot, lambda: underlined(pilot) == [["Marenport."], ["Arr!"]])
        await pilot.press("escape")
        await until(pilot, lambda: not pilot.app.screen.query(ChatLog))
        await pilot.app.push_screen(talking.make())
        await until(pilot, lambda: underlined(pilot) == [["Marenport."], ["Arr!"]])
        assert pilot.app.screen.query_one("#who", Choice).value == "both"
