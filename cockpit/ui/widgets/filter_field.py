"""FilterField: the line in which a filter over lists is typed; hidden until it is asked for."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from cockpit.ui.widgets.entry import Entry


class FilterField(Entry):
    """Input.Changed tells what is typed, Input.Submitted that it is done. Escape empties it and posts Closed."""

    HELP = (
        "Only the recipes and runs are listed that all these words are said of: name, title, model, state. Enter or "
        "down goes to the list; Escape shows all again."
    )
    DEFAULT_CSS = """
    FilterField { display: none; }
    FilterField.-open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "show all", id="filter.close", tooltip="Show all again"),
        Binding("down", "submit", "to the list", id="filter.leave", tooltip="Go to what was found", show=False),
    ]

    class Closed(Message):
        """Nothing is to be filtered any more."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(placeholder="filter recipes and runs", id=id)

    @property
    def words(self) -> list[str]:
        """The words, in lower case; none while it is closed."""
        return self.value.lower().split() if self.has_class("-open") else []

    def open(self) -> None:
        """Show it, and type."""
        self.add_class("-open")
        self.focus()

    def action_close(self) -> None:
        """Show all."""
        with self.prevent(Input.Changed):
            self.value = ""
        self.remove_class("-open")
        self.post_message(self.Closed())
