"""LengthChart: how many rows are how many tokens long"""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from cockpit.data.report import Bin, DataReport, length_histogram
from cockpit.text import numbers
from cockpit.ui.widgets.glyphs import glyphs

MOST_BARS = 24
"""Where its height follows from the bars."""


class LengthChart(Widget):
    """A bar for each span of lengths, as many as there is room for. What is cut is told in a colour and a word."""

    HELP = "How many rows are how many tokens long, before they are cut to the most tokens of a row."
    DEFAULT_CSS = """
    LengthChart { height: 1fr; min-height: 8; text-wrap: nowrap; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._report: DataReport | None = None
        self.border_title = Content("lengths in tokens")

    def show(self, report: DataReport) -> None:
        """Draw the lengths of this report's rows."""
        self._report = report
        self.border_subtitle = Content(f"{numbers.count(report.rows_taken)} {report.unit}")
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as bars, of the most that it may have."""
        lengths = self._report.lengths if self._report is not None else []
        return max(MOST_BARS // 4, len(length_histogram(lengths, MOST_BARS)))

    def render(self) -> Content:
        """The bars, from the shortest rows to the longest."""
        report, width = self._report, self.size.width
        if report is None or not report.lengths:
            return Content("")
        bins = length_histogram(report.lengths, max(1, self.size.height))
        most = max(one.rows for one in bins)
        spans = [_span(one) for one in bins]
        first, last = max(map(len, spans)), len(numbers.count(most))
        cells = max(1, width - first - last - 2)
        return Content("\n").join(
            Content.assemble(
                (f"{span:>{first}} ", "$foreground-muted"),
                _bar(one, most, cells, report.max_length),
                f" {numbers.count(one.rows):>{last}}",
            )
            for span, one in zip(spans, bins, strict=True)
        )


def _bar(one: Bin, most: int, cells: int, longest: int) -> Content:
    """`cells` wide: the bar, and the word `cut` behind that of rows that are."""
    full = max(round(one.rows / most * cells), bool(one.rows))
    is_cut = one.low > longest
    word = " cut" if is_cut and one.rows and cells - full >= 4 else ""
    bar = glyphs().bar_this_run if not is_cut else glyphs().bar_others
    style = "$warning" if is_cut else "$primary"
    return Content.assemble((bar * full, style), (word, style), " " * (cells - full - len(word)))


def _span(one: Bin) -> str:
    low, high = numbers.count(one.low), numbers.count(one.high)
    return low if low == high else f"{low} to {high}"
