"""Base and tuned without saying which is which: a vote, then who it was, and how all votes stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.runs.votes import counted
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.pair_passage import PairPassage
from cockpit.ui.widgets.prompt_field import PromptField
from cockpit.ui.widgets.reply_figures import ReplyFigures
from cockpit.ui.widgets.reply_passage import ReplyPassage
from cockpit.ui.widgets.vote_bar import VoteBar
from tests.ui.drawn import text_of
from tests.ui.talking import Talking, pair_of, shown
from tests.ui.waiting import until


@pytest.mark.parametrize("key", ["a", "b", "="])
async def test_a_vote_is_cast_before_it_is_said_whose_the_replies_are(tmp_path: Path, key: str) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        screen = pilot.app.screen
        screen.query_one("#who", Choice).value = "blind"
        await pilot.pause()
        await pilot.press("enter")
        await talking.was_asked(pilot)
        talking.reply_both("It is Marenport.", "Arr, Marenport!")
        await until(pilot, lambda: screen.query_one(VoteBar).has_focus)
        both = shown(pilot)[1]
        assert both.startswith("A") and "\nB" in both
        assert "tokens" not in both and "tuned" not in both and "base" not in both
        assert "–" in text_of(screen.query_one(ReplyFigures))[0], "nor do the figures tell"
        pair = pair_of(pilot)
        first = "tuned" if pair.is_tuned(0) else "base"
        await pilot.press("equals_sign" if key == "=" else key)
        await until(pilot, lambda: "votes:" in shown(pilot)[2])
        expected = {"a": first, "b": "base" if first == "tuned" else "tuned", "=": "neither"}[key]
        assert shown(pilot)[2].startswith(f"{expected} is better")
        assert counted(talking.link.run)[expected] == 1  # type: ignore[index]
        assert "tuned  12 tokens" in shown(pilot)[1] and screen.query_one(PromptField).has_focus
        await pilot.press("ctrl+r")
        await talking.was_asked(pilot)
        talking.reply_both("a", "b")
        await until(pilot, lambda: screen.query_one(VoteBar).has_focus)
        await pilot.press("a")
        await until(pilot, lambda: sum(counted(talking.link.run).values()) == 2)


def test_the_order_is_drawn_by_lot() -> None:
    pairs = [PairPassage(ReplyPassage(adapter=False), ReplyPassage(adapter=True), blind=True) for _ in range(64)]
    assert {pair.is_tuned(0) for pair in pairs} == {True, False}
    assert {pair.is_tuned(1) for pair in pairs if pair.is_tuned(0)} == {False}
