"""PanelTabs: which of several panels shows, in one line, where there is no room for all of them."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget


class PanelTabs(Widget):
    """One label a panel, with the number of its key. A click on it posts Chosen."""

    HELP = "The panels that share this place: press a number, or click."
    ALLOW_SELECT = False
    DEFAULT_CSS = """
    PanelTabs { height: 1; padding: 0 1; text-wrap: nowrap; }
    """

    class Chosen(Message):
        """The panel at `index` is wanted."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, labels: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._names = list(labels)
        self._marks = [""] * len(self._names)
        self._active = 0

    @property
    def active(self) -> int:
        """The index of the panel that shows."""
        return self._active

    @active.setter
    def active(self, index: int) -> None:
        self._active = index
        self.refresh()

    def mark(self, index: int, mark: str) -> None:
        """Put a mark behind a panel's label, as something there is worth a look; none takes it away."""
        self._marks[index] = f"{mark} " if mark else ""
        self.refresh()

    def _shown(self) -> list[str]:
        """The labels; where there is no room for all, of all but the one that shows the first words, or else the
        numbers alone."""
        room = self.content_size.width
        whole = self._labels(self._names)
        words = self._labels([name.partition(" ")[0] for name in self._names])
        for others in (whole, words, self._labels([""] * len(self._names))):
            shown = [whole[at] if at == self._active else label for at, label in enumerate(others)]
            if len(" ".join(shown)) <= room:
                break
        return shown

    def _labels(self, names: Sequence[str]) -> list[str]:
        numbered = (f" {number} {name}".rstrip() for number, name in enumerate(names, 1))
        return [f"{label} {mark}" for label, mark in zip(numbered, self._marks, strict=True)]

    def render(self) -> Content:
        parts = [
            Content.styled(label, "bold $primary reverse" if at == self._active else "$foreground-muted")
            for at, label in enumerate(self._shown())
        ]
        return Content(" ").join(parts)

    def on_click(self, event: events.Click) -> None:
        """Find the label under the pointer."""
        column = event.x - self.styles.padding.left
        for at, label in enumerate(self._shown()):
            if 0 <= column < len(label):
                self.post_message(self.Chosen(at))
                return
            column -= len(label) + 1
