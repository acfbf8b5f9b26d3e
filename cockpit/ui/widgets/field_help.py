"""What the focused field is for, in the lines that there are."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget


class FieldHelp(Widget):
    """The field's label and its help. Where they do not fit, `…` says that F1 has more."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = Content()

    def show(self, label: str = "", text: str = "") -> None:
        """Of another field; of none where both are empty."""
        self._text = Content.assemble((label, "bold $primary"), "  ", text) if label else Content()
        self.refresh()

    def render(self) -> Content:
        """As much of it as there is room for."""
        width, height = self.content_size
        lines = self._text.wrap(max(1, width))
        if len(lines) > height > 0:
            lines = [*lines[: height - 1], lines[height - 1].truncate(width - 1).rstrip() + "…"]
        return Content("\n").join(lines)
