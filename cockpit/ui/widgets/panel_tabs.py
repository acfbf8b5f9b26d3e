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
        self._labels = [f" {number} {label} " for number, label in enumerate(labels, 1)]
        self._plain = list(self._labels)
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
        self._labels[index] = f"{self._plain[index]}{mark} " if mark else self._plain[index]
        self.refresh()

    def render(self) -> Content:
        parts = [
            Content.styled(label, "bold $primary reverse" if at == self._active else "$foreground-muted")
            for at, label in enumerate(self._labels)
        ]
        return Content(" ").join(parts)

    def on_click(self, event: events.Click) -> None:
        """Find the label under the pointer."""
        column = event.x - self.styles.padding.left
        for at, label in enumerate(self._labels):
            if 0 <= column < len(label):
                self.post_message(self.Chosen(at))
                return
            column -= len(label) + 1
