"""ChangeList: what was edited, as was → is; or what is still wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from cockpit.text.plain_text import plain_line, plain_text


@dataclass(frozen=True)
class Change:
    """A field that differs from the recipe as it was opened; both values as the form writes them."""

    path: str
    was: str
    now: str


class ChangeList(VerticalScroll):
    """Errors first, then changes. Scrolls where there are many."""

    DEFAULT_CSS = """
    ChangeList { scrollbar-size-vertical: 1; }
    ChangeList > Static { height: auto; }
    """
    HELP = "What you have changed since the recipe was opened: what the field held, and what it holds now."

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._changes: Sequence[Change] = ()
        self._errors: Mapping[str, str] = {}

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static(markup=False)

    def on_mount(self) -> None:
        """An empty list says so."""
        self._draw()

    def on_resize(self, _event: events.Resize) -> None:
        """Long values are shortened to the width."""
        self._draw()

    def show(self, changes: Sequence[Change], errors: Mapping[str, str]) -> None:
        """Show these."""
        if (list(changes), dict(errors)) != (list(self._changes), dict(self._errors)):
            self._changes, self._errors = list(changes), dict(errors)
            self._draw()

    def _draw(self) -> None:
        width = max(20, self.scrollable_content_region.width)
        lines: list[Content] = []
        for path, sentence in self._errors.items():
            text = Content(plain_line(f"{path}: {sentence}"))
            for index, line in enumerate(text.wrap(width - 2)):
                lines.append(Content.assemble(("✗ " if index == 0 else "  ", "$error"), line))
        for change in self._changes:
            lines.append(Content.assemble(("* ", "$changed"), _end(change.path, width - 2)))
            half = max(6, (width - 7) // 2)
            was, now = (Content(plain_text(text)).truncate(half, ellipsis=True) for text in (change.was, change.now))
            lines.append(Content.assemble("    ", was.stylize("$foreground-muted"), " → ", now.stylize("bold")))
        if not lines:
            lines.append(Content.styled("Nothing is changed.", "$foreground-muted"))
        self.query_one(Static).update(Content("\n").join(lines))


def _end(path: str, width: int) -> str:
    """The end of a field's path, which tells the most."""
    return path if len(path) <= width else f"…{path[-(width - 1) :]}"
