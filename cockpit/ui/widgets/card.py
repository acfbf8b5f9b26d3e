"""Card: what the marked row of a list is, in labelled lines: facts first, warnings next, prose last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from cockpit.text.plain_text import plain_line, plain_text

LABEL_CELLS = 9
ROOMY = 30
"""Lines of the screen from which on blank ones stand between the parts."""


@dataclass(frozen=True)
class CardText:
    """What stands on a card: a title, labelled lines, lines that say what is wrong, a description.

    `sign` and its `colour` go before the title where they are given.
    """

    title: str = ""
    description: str = ""
    facts: Sequence[tuple[str, str]] = ()
    problems: Sequence[str] = ()
    sign: str = ""
    colour: str = ""


class Card(VerticalScroll):
    """Scrolls where there is more than fits."""

    DEFAULT_CSS = """
    Card { scrollbar-size-vertical: 1; scrollbar-gutter: stable; padding: 0 0 0 1; }
    Card > Static { height: auto; }
    """

    def __init__(self, help: str, *, id: str | None = None, classes: str | None = None) -> None:
        """`help` says what the card is about."""
        super().__init__(id=id, classes=classes)
        self.own_help = help
        self._card = CardText()

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static(markup=False)

    def show(self, card: CardText, *, is_same: bool = False) -> None:
        """Show this; what was scrolled comes back to its beginning, unless it `is_same` as before, with news."""
        if card != self._card:
            self._card = card
            if not is_same:
                self.scroll_home(animate=False)
            self._draw()

    def on_resize(self, _event: events.Resize) -> None:
        """Lines are broken to the card's width."""
        self._draw()

    def _draw(self) -> None:
        width = max(20, self.scrollable_content_region.width)
        card, parts = self._card, []
        sign = f"{card.sign} " if card.sign else ""
        if card.title:
            title = Content.assemble((sign, card.colour), plain_text(card.title)).stylize_before("bold")
            parts.append(list(title.wrap(width)))
        parts.append([line for label, value in card.facts for line in _labelled(label, value, width)])
        parts.append([line for problem in card.problems for line in _warning(problem, width)])
        for paragraph in plain_text(card.description).strip().split("\n\n"):
            parts.append(list(Content(" ".join(paragraph.split())).wrap(width)) if paragraph else [])
        gap = Content("\n\n" if self.app.size.height >= ROOMY else "\n")
        self.query_one(Static).update(gap.join(Content("\n").join(part) for part in parts if part))


def _labelled(label: str, value: str, width: int) -> list[Content]:
    lines = Content(plain_line(value)).wrap(width - LABEL_CELLS) or [Content("")]
    shown = [label, *([""] * (len(lines) - 1))]
    return [
        Content.assemble((name.ljust(LABEL_CELLS), "$foreground-muted"), line)
        for name, line in zip(shown, lines, strict=True)
    ]


def _warning(problem: str, width: int) -> list[Content]:
    lines = Content(plain_line(problem)).wrap(width - 2)
    return [Content.assemble(("▲ " if at == 0 else "  ", "$warning"), line) for at, line in enumerate(lines)]
