"""Where lines differ: no more, and no less, than what is drawn anew."""

from __future__ import annotations

import random

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.strip import Strip

from cockpit.ui.widgets.lines import Lines, changed_regions, changed_strips
from tests.ui.stage import Stage
from tests.ui.waiting import until


def test_lines_differ_from_their_first_other_sign_to_their_last() -> None:
    before = [Content("step 1,000 of 9"), Content("same"), Content("a"), Content("漢 1 x")]
    now = [Content("step 1,234 of 9"), Content("same"), Content("a longer one"), Content("漢 2 x")]
    assert [tuple(region) for region in changed_regions(before, now)] == [(7, 0, 3, 1), (1, 2, 11, 1), (3, 3, 1, 1)]
    assert changed_regions(now, now) == []


def test_a_line_in_another_style_differs_as_a_whole() -> None:
    before, now = Content.styled("loss 1", "$success"), Content.styled("loss 1", "$error")
    assert [tuple(region) for region in changed_regions([before], [now])] == [(0, 0, 6, 1)]


@pytest.mark.parametrize("seed", range(20))
def test_all_that_lies_outside_is_the_same(seed: int) -> None:
    noise = random.Random(seed)

    def strip() -> Strip:
        segments, room = [], 30
        while room:
            text = "".join(noise.choices("ab", k=min(room, noise.randrange(1, 9))))
            segments.append(Segment(text, Style(bold=noise.random() < 0.5)))
            room -= len(text)
        return Strip(segments)

    def cells(line: Strip) -> list[tuple[str, Style | None]]:
        return [(char, segment.style) for segment in line for char in segment.text]

    before, now = [strip() for _ in range(5)], [strip() for _ in range(5)]
    now[3] = before[3]
    for region in changed_strips(before, now):
        old, new = cells(before[region.y]), cells(now[region.y])
        assert old[: region.x] == new[: region.x] and old[region.right :] == new[region.right :]
    changed = {region.y for region in changed_strips(before, now)}
    assert changed == {y for y in range(5) if cells(before[y]) != cells(now[y])} | (changed - {3})
    assert 3 not in changed and [region.y for region in changed_strips([None], now[:1])] == [0]


class Figures(Lines):
    """Lines that are set."""

    DEFAULT_CSS = "Figures { height: auto; }"

    said = ["one", "two"]

    def lines(self) -> list[Content]:
        return [Content(text) for text in self.said]


async def test_a_widget_of_lines_shows_the_present_ones() -> None:
    widget = Figures()
    async with Stage(widgets=[widget]).run_test(size=(40, 10)) as pilot:
        await until(pilot, lambda: "two" in seen(pilot.app))
        widget.said = ["one", "2"]
        widget.redraw()
        await until(pilot, lambda: "two" not in seen(pilot.app) and "2" in seen(pilot.app))
        widget.said = ["one", "2", "three"]
        widget.redraw()
        await until(pilot, lambda: "three" in seen(pilot.app) and widget.size.height == 3)


def seen(app: object) -> str:
    """The screen's picture."""
    assert isinstance(app, Stage)
    return app.export_screenshot()
