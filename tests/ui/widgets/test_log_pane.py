"""The log pane, mounted alone."""

from functools import partial

from cockpit.runs.sentences import LOG_LINES, LogLine
from cockpit.ui.widgets.log_pane import LogPane, wrap_cells
from tests.ui.drawn import HOSTILE, SHOWN, text_of
from tests.ui.stage import Stage
from tests.ui.waiting import resized, until


async def test_log_pane_shows_lines_literally_and_wrapped() -> None:
    pane = LogPane()
    async with Stage(widgets=[pane]).run_test(size=(40, 8)) as pilot:
        await pilot.pause()
        pane.add([LogLine(0, "info", HOSTILE), LogLine(0, "error", "word " * 12), LogLine(0, "odd", "x" * 60)])
        await until(pilot, lambda: text_of(pane)[0].endswith(SHOWN))
        rows = text_of(pane)
        assert rows[0].endswith(SHOWN)
        assert "✗ word" in rows[1] and rows[2].strip().startswith("word")
        assert all(len(row) <= 40 for row in rows)


async def test_log_pane_follows_its_end_until_one_scrolls_up() -> None:
    pane = LogPane()
    async with Stage(widgets=[pane]).run_test(size=(60, 8)) as pilot:
        pane.add([LogLine(0, "info", f"line {number}") for number in range(100)])
        await until(pilot, lambda: text_of(pane)[-1].endswith("line 99"))
        pane.focus()
        await pilot.press("pageup")
        await until(pilot, lambda: not pane.follows)
        seen = text_of(pane)
        pane.add([LogLine(0, "info", "one more")])
        await pilot.pause()
        assert text_of(pane) == seen
        assert "follows" in str(pane.border_subtitle)
        await pilot.press("end")
        await until(pilot, lambda: pane.follows and text_of(pane)[-1].endswith("one more"))
        pane.add([LogLine(0, "info", "the last")])
        await until(pilot, lambda: text_of(pane)[-1].endswith("the last"))


async def test_log_pane_follows_from_the_first_line_that_does_not_fit() -> None:
    pane = LogPane()

    def has(newest: str) -> bool:
        return any(row.endswith(newest) for row in text_of(pane))

    async with Stage(widgets=[pane]).run_test(size=(60, 6)) as pilot:
        for number in range(10):
            pane.add([LogLine(0, "info", f"line {number}")])
            await until(pilot, partial(has, f"line {number}"))


async def test_log_pane_wraps_anew_when_its_width_changes_and_forgets_the_oldest() -> None:
    pane = LogPane()
    async with Stage(widgets=[pane]).run_test(size=(100, 8)) as pilot:
        pane.add([LogLine(0, "info", "word " * 15)])
        await until(pilot, lambda: pane.virtual_size.height == 1)
        await resized(pilot, 40, 8)
        await until(pilot, lambda: pane.virtual_size.height > 1)
        for _ in range(3):
            pane.add([LogLine(0, "info", "short")] * LOG_LINES)
        assert LOG_LINES <= pane.virtual_size.height <= LOG_LINES * 1.25


async def test_what_is_sought_stays_in_sight_where_the_lines_are_broken_anew() -> None:
    pane = LogPane()
    async with Stage(widgets=[pane]).run_test(size=(80, 8)) as pilot:
        long, rest = LogLine(0, "info", "word " * 12), LogLine(0, "info", "short")
        pane.add([*[long] * 30, LogLine(0, "info", "a needle"), *[rest] * 30])
        await until(pilot, lambda: pane.scroll_y > 0)
        pane.seek("needle")
        await until(pilot, lambda: any("needle" in row for row in text_of(pane)))
        await resized(pilot, 40, 8)
        await until(pilot, lambda: any("needle" in row for row in text_of(pane)))
        pane.scroll_home(animate=False, immediate=True)
        pane.step(1)
        await until(pilot, lambda: any("needle" in row for row in text_of(pane)))
        assert str(pane.border_subtitle) == "1 of 1 lines with 'needle'"


def test_wrap_cells() -> None:
    assert wrap_cells("one two three", 7) == ["one two", "three"]
    assert wrap_cells("abcdefgh", 3) == ["abc", "def", "gh"]
    assert wrap_cells("漢字漢字", 5) == ["漢字", "漢字"]
    assert wrap_cells("a\n\nb", 5) == ["a", "", "b"]
    assert wrap_cells("", 5) == [""]


async def test_log_pane_shows_levels_and_marks_what_is_sought_across_the_lines_breaks() -> None:
    pane = LogPane()
    long = f"{'word ' * 6}a needle and more"
    async with Stage(widgets=[pane]).run_test(size=(44, 6)) as pilot:
        await pilot.pause()
        lines = [LogLine(0, "info", long), LogLine(0, "error", "no Needle"), LogLine(0, "warning", "  calm")]
        pane.add([*lines, *[LogLine(0, "info", f"line {number}") for number in range(20)]])
        pane.seek("A NEEDLE")
        await until(pilot, lambda: str(pane.border_subtitle) == "1 of 1 lines with 'a needle'")
        assert any("needle" in row for row in text_of(pane)) and not pane.follows
        pane.seek("needle")
        assert str(pane.border_subtitle) == "2 of 2 lines with 'needle'"
        pane.step(1)
        assert str(pane.border_subtitle) == "1 of 2 lines with 'needle'"
        pane.seek("")
        pane.show_from("warning")
        await until(pilot, lambda: len(pane.shown_lines) == 2)
        assert pane.shown_lines == ["no Needle", "  calm"] and text_of(pane)[1].endswith("!   calm")
        pane.add([LogLine(0, "error", "newest"), LogLine(0, "info", "unseen")])
        await until(pilot, lambda: text_of(pane)[2].endswith("newest"))
        assert "unseen" not in pane.shown_lines
