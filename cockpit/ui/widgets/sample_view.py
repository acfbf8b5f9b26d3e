"""SampleView: a row as training sees it, each token trained, masked or padding; the next ones where there is room"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from cockpit.data.report import Sample, Token
from cockpit.data.report_text import facts_of
from cockpit.text import numbers
from cockpit.ui.widgets.glyphs import glyphs

TRAINED, MASKED, MARK, PADDING = "bold underline $trained", "$foreground 55%", "on $panel", "$padding"
"""Bold and underlined or pale: told apart without colours too. A mark keeps its own ground in either."""
LEAST_LINES = 6
"""Of room below a row, for the next one to be shown too."""
SHOWN_TOKENS = 20_000
"""A longer row is shown as far as this: it is laid out whole each time."""


class SampleView(VerticalScroll):
    """Scrolls a long row."""

    HELP = (
        "A row as the chat template writes it. The loss is taken on what is bold and underlined; the rest is read and "
        "not learnt. Marks of the model, such as <|im_start|>, stand on a ground of their own; an arrow ends a line."
    )
    DEFAULT_CSS = """
    SampleView { scrollbar-size-vertical: 1; }
    SampleView > Static { height: auto; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._samples: Sequence[Sample] = ()
        self._place = 0

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static(markup=False)

    def show_sample(self, samples: Sequence[Sample], place: int, of: int) -> None:
        """Show the first of `samples` from its beginning; it is number `place` of `of`. The others, which follow it,
        come below as far as there is room."""
        sign = glyphs()
        self.border_title = Content(f"{place} of {of} {sign.dot} {samples[0].where}")
        self.border_subtitle = Content(f" {sign.dot} ".join(facts_of(samples[0])))
        self._samples, self._place = samples, place
        self._fill()
        self.scroll_home(animate=False)

    def show_words(self, title: str, words: Content) -> None:
        """Show something else in its place, while or because there is no row."""
        self.border_title, self.border_subtitle = Content(title), Content("")
        self._samples = ()
        self.query_one(Static).update(words)

    def on_resize(self) -> None:
        """There may be room for more rows, or for fewer."""
        if self._samples:
            self._fill()

    def _fill(self) -> None:
        first, *others = self._samples
        parts = [content_of(first)]
        left = self.size.height - _lines(parts[0], self.size.width)
        for number, sample in enumerate(others, self._place + 1):
            if left < LEAST_LINES:
                break
            parts += [_head_of(sample, number), content_of(sample)]
            left -= _lines(parts[-1], self.size.width) + 2
        self.query_one(Static).update(Content("\n").join(parts))


def _head_of(sample: Sample, number: int) -> Content:
    """A line above a row that follows another one."""
    dot = f" {glyphs().dot} "
    return Content.styled(f"\n{number}{dot}{sample.where}{dot}{dot.join(facts_of(sample))}", "$primary")


def _lines(content: Content, width: int) -> int:
    """About how many it takes."""
    return sum(1 + cell_len(line) // max(1, width) for line in content.plain.split("\n"))


def legend() -> Content:
    """What the looks mean, in one line."""
    sign = glyphs()
    parts = [
        Content.styled("trained", TRAINED),
        Content.styled("masked", MASKED),
        Content.styled("<mark>", MARK),
        Content.styled(f"{sign.bar_free * 3} padding", PADDING),
    ]
    return Content("  ").join(parts)


def content_of(sample: Sample) -> Content:
    """The row's text; strings of the row are never read as markup."""
    sign, parts = glyphs(), []
    if sample.refusal:
        parts.append(Content.styled(f"{sign.failed} Left out: {sample.refusal}.\n\n", "$error"))
    shown = sample.tokens[:SHOWN_TOKENS]
    for style, run in groupby(shown, key=_style):
        words = "".join(token.text for token in run)
        parts.append(Content.styled(words.replace("\n", f"{sign.line_end}\n"), style))
    if len(sample.tokens) > SHOWN_TOKENS:
        rest = numbers.count(len(sample.tokens) - SHOWN_TOKENS)
        parts.append(
            Content.styled(f"\n... {rest} more tokens are trained on, and not shown here.", "$foreground-muted")
        )
    if sample.is_truncated:
        more = numbers.count(sample.whole_tokens - len(sample.tokens) - sample.image_tokens)
        parts.append(Content.styled(f"\n{sign.failed} cut here: {more} more tokens are not trained on", "$warning"))
    if sample.padding:
        cells = sign.bar_free * min(sample.padding, 400)
        parts.append(Content.styled(f"\n{numbers.count(sample.padding)} padding {cells}", PADDING))
    return Content("").join(parts)


def _style(token: Token) -> str:
    style = TRAINED if token.trained else MASKED
    return f"{style} {MARK}" if token.special else style
