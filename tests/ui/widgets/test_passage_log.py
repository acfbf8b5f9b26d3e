"""A log of passages: wrapped as one would wrap the whole, scrolled, followed, marked with the mouse."""

import random

import pytest
from textual.content import Content
from textual.geometry import Offset
from textual.selection import Selection

from cockpit.runs.state import Reply
from cockpit.ui.widgets.growing_text import AT_ONCE, PlainText
from cockpit.ui.widgets.pair_passage import PairPassage
from cockpit.ui.widgets.passage_log import PassageLog
from cockpit.ui.widgets.passages import NotePassage, PromptPassage, wrapped
from cockpit.ui.widgets.reply_passage import ReplyPassage
from tests.ui.drawn import text_of
from tests.ui.stage import Stage
from tests.ui.waiting import until

PIECES = (
    "word ",
    "a ",
    "漢字かな",
    "e\u0301a\u0300 ",
    "👩\u200d🔬 ",
    "שלום ",
    "\n",
    "\n\n",
    "    ",
    "unbroken" * 9,
    ".",
)


@pytest.mark.parametrize("width", [7, 24, 61])
def test_text_that_grows_is_wrapped_like_the_whole(width: int) -> None:
    noise = random.Random(width)
    for _ in range(30):
        grown, text = PlainText(), ""
        while len(text) < 600:
            text += noise.choice(PIECES)
            grown.show(text, is_whole=False)
            grown.lines(width)
        whole = wrapped(Content(grown.text), width)
        assert [line.text.plain for line in grown.lines(width)] == [line.text.plain for line in whole]
        assert all(line.text.cell_length <= width for line in grown.lines(width))


def test_a_long_line_breaks_nowhere_but_at_its_width() -> None:
    text, grown = "word " * 16_000, PlainText()
    assert len(text) > 3 * AT_ONCE
    grown.show(text, is_whole=True)
    lines = grown.lines(23)
    assert {line.text.plain for line in lines[:-1]} == {"word word word word"}
    assert "".join(line.text.plain + line.joint for line in lines).split() == text.split()


def test_marks_stay_on_their_words_wherever_these_are_wrapped() -> None:
    grown = PlainText()
    grown.show("one two three " * 300, is_whole=True)
    spans = [(at * 14 + 4, at * 14 + 7) for at in range(300)]
    grown.mark(spans, "underline")
    for width in (9, 40):
        found = [line.text.plain[span.start : span.end] for line in grown.lines(width) for span in line.text.spans]
        assert found == ["two"] * 300


def reply(text: str, *, adapter: bool = True) -> ReplyPassage:
    passage = ReplyPassage(adapter=adapter)
    passage.show(Reply("1", "", adapter, text))
    return passage


async def test_it_follows_the_end_until_one_scrolls_up() -> None:
    log, grows, text = PassageLog(), ReplyPassage(adapter=True), ""
    async with Stage(widgets=[log]).run_test(size=(40, 10)) as pilot:
        log.passages = [PromptPassage("Count."), grows]

        async def count_to(last: int) -> None:
            nonlocal text
            text = "\n".join(str(number) for number in range(1, last + 1))
            grows.show(Reply("1", "", True, text))
            log.redraw()
            await pilot.pause()

        await count_to(4)
        assert not log.show_vertical_scrollbar and "▌ 4" in text_of(log)
        await count_to(50)
        await until(pilot, lambda: text_of(log)[-1].startswith("▌ 50"))
        await count_to(60)
        assert text_of(log)[-1].startswith("▌ 60")
        log.scroll_to(y=10, animate=False)
        before = text_of(log)
        await count_to(80)
        assert text_of(log) == before, "it lets go of the end"
        log.scroll_end(animate=False, immediate=True)
        await count_to(90)
        assert text_of(log)[-1].startswith("▌ 90"), "and follows it again"
        log.scroll_to(y=10, animate=False)
        log.follow()
        assert text_of(log)[-1].startswith("▌ 90")


async def test_a_narrower_terminal_wraps_anew_and_keeps_the_end() -> None:
    log = PassageLog()
    async with Stage(widgets=[log]).run_test(size=(60, 10)) as pilot:
        log.passages = [reply("word " * 100 + "end")]
        log.redraw()
        await until(pilot, lambda: text_of(log)[-1].endswith("end"))
        await pilot.resize_terminal(30, 8)
        await until(pilot, lambda: text_of(log)[-1].endswith("end") and all(len(row) <= 30 for row in text_of(log)))


async def test_what_is_marked_is_copied_as_it_was_written() -> None:
    log = PassageLog()
    long = "one two three four five six seven eight nine ten\nnext"
    async with Stage(widgets=[log]).run_test(size=(30, 20)) as pilot:
        log.passages = [PromptPassage("Count."), reply(long)]
        log.redraw()
        await pilot.pause()
        rows = text_of(log)
        rows = rows[next(y for y, row in enumerate(rows) if row) - 1 :]  # they stand at the lower edge
        first = next(y for y, row in enumerate(rows) if "one" in row)
        last = next(y for y, row in enumerate(rows) if "next" in row)
        assert last - first > 1
        marked = log.get_selection(Selection(Offset(6, first), Offset(6, last)))
        assert marked == ("two three four five six seven eight nine ten\nnext", "\n")
        whole = log.get_selection(Selection(None, None))
        assert whole is not None and whole[0].startswith("you\nCount.\ntuned") and whole[0].endswith(long)


async def test_the_mouse_marks_one_of_two_columns() -> None:
    log = PassageLog()
    async with Stage(widgets=[log]).run_test(size=(80, 12)) as pilot:
        pair = PairPassage(reply("left 1\nleft 2\nleft 3", adapter=False), reply("right 1\nright 2\nright 3"))
        log.passages = [NotePassage("note"), pair]
        log.redraw()
        await until(pilot, lambda: any("right 3" in row for row in text_of(log)))
        first = next(y for y, row in enumerate(text_of(log)) if "left 1" in row)
        await pilot.mouse_down(PassageLog, offset=(44, first))
        await pilot.hover(PassageLog, offset=(46, first + 2))
        await pilot.mouse_up(PassageLog, offset=(46, first + 2))
        await until(pilot, lambda: log.text_selection is not None)
        assert pilot.app.screen.get_selected_text() == "ght 1\nright 2\nright"
        picture = pilot.app.export_screenshot()
        assert "left" in picture and "right" in picture
