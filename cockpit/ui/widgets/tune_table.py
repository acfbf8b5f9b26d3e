"""TuneTable: a line for each way to train that was measured, and for the one that is measured now"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from cockpit.runs.labels import PHASES
from cockpit.text.numbers import count, size
from cockpit.text.plain_text import plain_line
from cockpit.tuning.told import PROBE_OUTCOMES
from cockpit.ui.widgets.glyphs import glyphs

if TYPE_CHECKING:
    from cockpit.tuning.told import ProbeEnded, ProbeStarted, ProbeWent

MIB = 1 << 20
COLUMNS = (("tokens/s", 9), ("times", 7), ("VRAM", 9), ("loss", 8))
"""Headings and cells of the figures behind a name."""
SIGN_CELLS, LEAST_NAME, MOST_NAME = 2, 16, 64


class TuneHeadings(Static):
    """What the figures of a TuneTable below are; stays where that is scrolled."""

    DEFAULT_CSS = """
    TuneHeadings { dock: top; height: 1; color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__("", markup=False)

    def on_resize(self, _event: events.Resize) -> None:
        """As wide as the table."""
        heads = "".join(name.rjust(cells) for name, cells in COLUMNS)
        self.update(" " * (SIGN_CELLS + _name_width(self.content_size.width)) + heads)


class TuneTable(Static):
    """Given what was told; drawn to its width."""

    class Resized(Message):
        """It has another size, and is drawn to that."""

    DEFAULT_CSS = """
    TuneTable { height: auto; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self._ended: list[ProbeEnded] = []
        self._now: ProbeStarted | None = None
        self._went: ProbeWent | None = None
        self._best = 0

    def show(
        self, ended: list[ProbeEnded], now: ProbeStarted | None = None, went: ProbeWent | None = None, best: int = 0
    ) -> None:
        """`now` is measured, and is as far as it `went`; `best` is the number of the fastest."""
        self._ended, self._now, self._went, self._best = ended, now, went, best
        self._draw()

    def on_resize(self, _event: events.Resize) -> None:
        """Names are broken to the width."""
        self._draw()
        self.post_message(self.Resized())

    def _draw(self) -> None:
        width = _name_width(self.content_size.width)
        lines: list[Content] = []
        for one in self._ended:
            lines += self._lines_of(one, width)
        if self._now is not None:
            lines += _lines(glyphs().dot, "$primary", self._now.name, _going(self._went), ["", "", "", ""], width)
        self.update(Content("\n").join(lines))

    def _lines_of(self, one: ProbeEnded, width: int) -> list[Content]:
        measured = one.outcome in ("measured", "behind")
        figures = [
            "" if one.tokens_s is None else count(one.tokens_s),
            "" if one.times is None else f"{one.times:.2f}x",
            "" if one.peak_mib is None else size(one.peak_mib * MIB),
            "" if one.loss_off is None else f"{100 * one.loss_off:+z.1f} %",
        ]
        remarks = [f"changes more: {one.marks}"] if one.marks else []
        if one.outcome != "measured":
            remarks.append(": ".join(filter(None, (PROBE_OUTCOMES.get(one.outcome, one.outcome), one.reason))))
        if one.number == self._best:
            sign, style = glyphs().done, "$success"
        else:
            sign, style = (" ", "$foreground") if measured else (glyphs().failed, "$foreground-muted")
        if one.marks or not measured:
            style = "$foreground-muted"
        return _lines(sign, style, one.name, "; ".join(remarks), figures, width)


def _name_width(cells: int) -> int:
    """Of a table of so many cells."""
    return min(MOST_NAME, max(LEAST_NAME, cells - SIGN_CELLS - sum(figure for _, figure in COLUMNS)))


def _lines(sign: str, style: str, name: str, remark: str, figures: list[str], width: int) -> list[Content]:
    """The name, broken to `width`, with the figures behind its first line; the remark on lines of its own."""
    first, *more = Content(plain_line(name)).wrap(width - 1)
    row = "".join(text.rjust(cells) for text, (_, cells) in zip(figures, COLUMNS, strict=True))
    lines = [Content.styled(f"{sign} {first.plain.ljust(width)}{row}", style)]
    lines += [Content.styled(f"  {line.plain}", style) for line in more]
    whole = width + sum(cells for _, cells in COLUMNS)
    if remark:
        lines += [
            Content.styled(f"    {line.plain}", "$foreground-muted")
            for line in Content(plain_line(remark)).wrap(whole - 2)
        ]
    return lines


def _going(went: ProbeWent | None) -> str:
    if went is None:
        return "starting"
    if not went.steps:
        label = PHASES.get(went.phase)  # type: ignore[call-overload]
        return went.phase if label is None else str(label.doing)
    pace = f", {count(went.tokens_s)} tokens/s" if went.tokens_s else ""
    return f"step {count(went.steps)}{pace}"
