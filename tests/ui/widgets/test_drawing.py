"""What charts are made of: canvas, axis, sparkline, memory bar."""

import math

import pytest

from cockpit.ui.widgets import glyphs as signs
from cockpit.ui.widgets.axis import Axis, round_step
from cockpit.ui.widgets.braille import BrailleCanvas
from cockpit.ui.widgets.memory_bar import gib, memory_bar
from cockpit.ui.widgets.sparkline import sparkline, trend


def rows(canvas: BrailleCanvas) -> list[str]:
    from rich.style import Style

    return [strip.text for strip in canvas.strips([Style.null()] * 8)]


def test_canvas_sets_the_eight_dots_of_a_cell() -> None:
    canvas = BrailleCanvas(1, 1)
    canvas.column(0, 0, 3, 1)
    assert rows(canvas) == ["⡇"]
    canvas.column(1, 1, 2, 1)
    assert rows(canvas) == ["⡷"]


def test_canvas_joins_neighbours_and_bridges_gaps() -> None:
    canvas = BrailleCanvas(4, 1)
    canvas.curve([(0, 0), (3, 3)], 1)
    assert rows(canvas)[0][0] == "⢱"
    canvas = BrailleCanvas(4, 1)
    canvas.curve([(3, 3), None, None, None, None, None, None, (0, 0)], 1)
    assert "⠀" not in rows(canvas)[0] and " " not in rows(canvas)[0]


def test_canvas_draws_nothing_outside() -> None:
    canvas = BrailleCanvas(2, 2)
    canvas.column(-1, 0, 9, 1)
    canvas.column(4, 0, 9, 1)
    canvas.column(0, -5, -1, 1)
    canvas.write(1, 0, "abc", 1)
    canvas.write(0, 7, "abc", 1)
    assert rows(canvas) == [" a", "  "]


def test_canvas_gives_a_shared_cell_to_the_higher_ink() -> None:
    from rich.style import Style

    canvas = BrailleCanvas(1, 1)
    dim, bright = Style(color="red"), Style(color="blue")
    canvas.column(0, 0, 0, 1)
    canvas.column(1, 3, 3, 2)
    canvas.column(0, 1, 1, 1)
    (segment,) = canvas.strips([Style.null(), dim, bright])[0]
    assert (segment.text, segment.style) == ("⢀", bright)


def test_canvas_without_braille_draws_ascii() -> None:
    canvas = BrailleCanvas(4, 1, braille=False)
    for x, row in ((0, 0), (2, 1), (4, 3)):
        canvas.column(x, row, row, 1)
    canvas.column(6, 0, 3, 1)
    assert rows(canvas) == ["'-.|"]


@pytest.mark.parametrize(
    ("term", "encoding", "braille"),
    [("xterm-256color", "utf-8", True), ("linux", "utf-8", False), ("xterm", "ascii", False), ("", "UTF8", True)],
)
def test_plain_signs_where_the_terminal_lacks_others(term: str, encoding: str, braille: bool) -> None:
    assert signs.glyphs_for(term, encoding).braille is braille


def test_every_sign_takes_one_cell() -> None:
    from rich.cells import cell_len

    for one in (signs.UNICODE, signs.ASCII):
        for name in one.__dataclass_fields__:
            value = getattr(one, name)
            if isinstance(value, str):
                assert all(cell_len(char) == 1 for char in value), name
    assert all(ord(char) < 128 for name in signs.ASCII.__dataclass_fields__ for char in str(getattr(signs.ASCII, name)))


@pytest.mark.parametrize(
    ("span", "count", "step"), [(1, 4, 0.5), (3, 4, 1), (10, 3, 5), (0.0002, 2, 0.0001), (7, 1, 10)]
)
def test_round_step(span: float, count: int, step: float) -> None:
    assert round_step(span, count) == pytest.approx(step)


@pytest.mark.parametrize(
    ("low", "high", "log"),
    [(0.4, 4.1, False), (0.4, 4.1, True), (2.0, 2.0, False), (2.0, 2.0, True), (0.0, 0.0, False), (1e-9, 3e5, True)],
)
def test_axis_holds_its_values_and_labels_what_it_holds(low: float, high: float, log: bool) -> None:
    axis = Axis.around(low, high, 4, log=log)
    assert axis.low <= low <= high <= axis.high
    assert 0 <= axis.row(high, 40) <= axis.row(low, 40) <= 39
    assert axis.ticks
    assert len(axis.ticks) == len(axis.labels) == len(set(axis.labels))
    rim = (axis.high - axis.low) * 1e-9
    assert all(axis.low - rim <= tick <= axis.high + rim for tick in axis.ticks)


def test_axis_with_a_value_at_zero_or_below_is_linear() -> None:
    assert not Axis.around(0.0, 3.0, 4, log=True).log
    assert Axis.around(0.1, 3.0, 4, log=True).share(0.0) == 0.0


def test_sparkline() -> None:
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, 8], 4) == "  ▁█"
    assert sparkline([], 3) == sparkline([None, None], 3) == "   "
    assert sparkline([1, 8, math.nan, None, math.inf, 1], 6) == " ▁█××▁"
    assert sparkline([None, math.nan], 3) == "  ×"
    assert sparkline([5, 5, 5], 3) == "▄▄▄"
    assert sparkline([50, 200], 2, low=0, high=100) == "▅█"
    assert len(sparkline(range(1000), 8)) == 8


@pytest.mark.parametrize(
    ("values", "direction"),
    [
        ([3, 2, 1], -1),
        ([1, 2], 1),
        ([2, 2.001], 0),
        ([1], None),
        ([], None),
        ([1, 2, math.nan], None),
        ([None, 1, math.nan, 2], 1),
        ([0, 0], 0),
    ],
)
def test_trend(values: list[float | None], direction: int | None) -> None:
    assert trend(values) == direction


def test_memory_bar_shows_each_share_with_a_sign_of_its_own() -> None:
    assert memory_bar(10, 50, 70, 100).plain == "▓▓▓▓▓▒▒░░░"
    assert memory_bar(10, None, 70, 100).plain == "▒▒▒▒▒▒▒░░░"
    assert memory_bar(10, 0.1, 0.2, 100).plain == "▓▒░░░░░░░░"
    assert memory_bar(10, 100, 100, 100).plain == "▓" * 10
    assert memory_bar(10, 150, 200, 100).plain == "▓" * 10
    assert memory_bar(10, None, None, None).plain == "░" * 10


@pytest.mark.parametrize(
    ("mib", "text"), [(None, "–"), (0, "0.0"), (30, "0.03"), (7065.6, "6.9"), (143_771, "140"), (1024, "1.0")]
)
def test_gib(mib: float | None, text: str) -> None:
    assert gib(mib) == text


def test_a_curve_of_zeros_has_an_axis_that_can_be_read() -> None:
    assert Axis.around(0.0, 0.0, 4).labels == ("-0.5", "0.0", "0.5")
