"""The conversation as the chat shows it: how replies end, lengths, figures, what others wrote."""

from pathlib import Path

import pytest

from cockpit.protocol import events as ev
from cockpit.runs.state import Reply
from cockpit.ui.widgets.chat_log import EARLIER_REPLIES, LONGEST, ChatLog
from cockpit.ui.widgets.markdown_text import markdown_text
from cockpit.ui.widgets.prompt_field import PromptField
from cockpit.ui.widgets.reply_figures import moment
from cockpit.ui.widgets.reply_passage import ReplyPassage
from tests.ui.drawn import text_of
from tests.ui.stage import Stage
from tests.ui.talking import Talking, shown
from tests.ui.waiting import until


@pytest.mark.parametrize(
    ("end", "reason", "words"),
    [
        ("max_new_tokens", "", "cut at max_new_tokens"),
        ("stopped", "", "stopped"),
        ("failed", "\x1b[31mThe [b]prompt[/b] is too long.", "failed: The [b]prompt[/b] is too long."),
        ("failed", "", "the engine gives no reason"),
    ],
)
async def test_how_a_reply_ends(tmp_path: Path, end: ev.ReplyEnd, reason: str, words: str) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        await talking.was_asked(pilot)
        talking.reply("Arr", end=end, reason=reason)
        await until(pilot, lambda: words in shown(pilot)[-1])


async def test_an_empty_reply_is_called_that(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        await talking.was_asked(pilot)
        talking.reply()
        await until(pilot, lambda: "said nothing" in shown(pilot)[-1])


async def test_a_reply_that_somebody_else_asked_for_is_shown_too(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        talking.link.events = [
            ev.ReplyStarted(command_id="other", prompt="Who?", adapter=False),
            ev.ReplyGrew(command_id="other", text="Me."),
        ]
        await until(pilot, lambda: shown(pilot)[-3:-1] == ["you\nWho?", "base  replying\nMe."])
        assert shown(pilot)[-1] == "Said before; not sent along."


async def test_earlier_replies_are_shown_and_not_sent(tmp_path: Path) -> None:
    talking = Talking(tmp_path, replies=True)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(shown(pilot)) == 6)
        assert [text.split()[0] for text in shown(pilot)[:-1]] == ["you", "tuned", "base", "you", "tuned"]
        assert shown(pilot)[-1] == "Said before; not sent along."
        await pilot.press("enter")
        assert len(talking.asked[0].messages) == 1


HOSTILE = "a \x1b[31mred\x1b[0m [bold]b[/] \x1b]8;;http://x\x07link\x1b]8;;\x07 \x9b2J c\u202ed"
LITERAL = "a red [bold]b[/] link  cd"


async def test_replies_prompts_and_pastes_are_shown_literally(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        field = pilot.app.screen.query_one(PromptField)
        field.text = ""
        from textual.events import Paste

        pilot.app.screen.post_message(Paste(HOSTILE))
        await until(pilot, lambda: field.text == LITERAL)
        await pilot.press("enter")
        await talking.was_asked(pilot)
        talking.reply(*HOSTILE)
        await until(pilot, lambda: "tokens/s" in shown(pilot)[-1])
        assert shown(pilot)[0] == f"you\n{LITERAL}"
        assert shown(pilot)[-1].endswith(f"\n{LITERAL}")
        picture = pilot.app.export_screenshot()
        assert "\x1b" not in picture and "[bold]b[/]" in picture.replace("&#160;", " ")


def test_reasoning_stands_before_the_answer_and_apart() -> None:
    passage = ReplyPassage(adapter=True)
    reply = Reply("1", "", True, thinking="I cou")
    passage.show(reply)
    reply.thinking, reply.text = "I count.", "Five."
    passage.show(reply)
    assert passage.text.splitlines()[1:] == ["▸ reasoned in 2 words", "Five."], "it is folded once the answer begins"
    passage.folds = False
    reply.text += " Six."
    passage.show(reply)
    assert passage.text.splitlines()[1:] == ["▾ reasoned in 2 words", "I count.", "Five. Six."], "unfolded, it stays so"
    drawn = [line.text.plain for line in passage.lines(80)]
    assert drawn[2:] == ["I count.", "", "Five. Six."]


async def test_a_click_unfolds_reasoning() -> None:
    log = ChatLog()
    async with Stage(widgets=[log]).run_test(size=(80, 20)) as pilot:
        log.show({"1": Reply("1", "Count.", True, "Five.", "I count.")}, {})
        await pilot.pause()
        at = next(y for y, row in enumerate(text_of(log)) if "reasoned" in row)
        assert await pilot.click(ChatLog, offset=(6, at))
        await until(pilot, lambda: any("I count." in row for row in text_of(log)))


def test_markdown_is_drawn_as_it_grows_and_in_blocks_that_lose_nothing() -> None:
    passage = ReplyPassage(adapter=True, markdown=True)
    reply = Reply("1", "", True)
    whole = "".join(
        f"# Part {part}\n\nSome **bold** words.\n\n```python\n" + "x = 1\n" * 500 + "```\n\n" for part in range(4)
    )
    for at in range(0, len(whole), 997):
        reply.text = whole[: at + 997]
        passage.show(reply)
    text = passage.text
    assert text.count("x = 1") == 2000 and text.count("bold") == 4 and text.count("python") == 4
    assert "**" not in text and "```" not in text and "# Part" not in text and text.count("Part") == 4


@pytest.mark.parametrize("line", ["A plain line, {}.\n", "- An item, {}.\n", "| {} | cell |\n"])
def test_long_paragraphs_lists_and_tables_are_drawn_as_in_one_piece(line: str) -> None:
    grown = ReplyPassage(adapter=True, markdown=True)
    reply = Reply("1", "", True, "| n | cell |\n|---|---|\n" if line.startswith("|") else "")
    for number in range(300):
        reply.text += line.format(number)
        grown.show(reply)
    drawn = [one.text.plain.strip() for one in grown.lines(60)][1:]
    at_once = [one.strip() for one in markdown_text(reply.text).plain.splitlines()]
    assert drawn == at_once


async def test_the_log_of_a_long_chat_stays_short() -> None:
    log = ChatLog()
    async with Stage(widgets=[log]).run_test(size=(80, 20)):
        known = {str(at): Reply(str(at), f"prompt {at}", True, "text") for at in range(100)}
        log.show(known, {})
        assert len(log.passages) == 2 * EARLIER_REPLIES + 1, "and the line that divides them from what is asked here"
        for at in range(100, 250):
            known[str(at)] = Reply(str(at), f"prompt {at}", True, "text")
            log.show(known, {})
        assert len(log.passages) <= LONGEST and "prompt 249" in log.passages[-3].text


@pytest.mark.parametrize(("seconds", "text"), [(None, "–"), (0.0304, "30 ms"), (0.9996, "1,000 ms"), (1.234, "1.2 s")])
def test_moment(seconds: float | None, text: str) -> None:
    assert moment(seconds) == text
