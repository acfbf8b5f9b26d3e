"""Entry: a one-line text field. What it shows is plain text, whatever is put or pasted into it."""

from __future__ import annotations

from textual.widgets import Input

from cockpit.text.plain_text import plain_text

EMPTY = "–"
"""What stands in a field that may be left empty, and is."""


class Entry(Input):
    """An Input without frame and blinking; its text is selected when it gets the focus, so that typing replaces it."""

    DEFAULT_CSS = """
    Entry {
        height: 1;
        border: none;
        padding: 0 1;
        background: $panel;
        &:focus { border: none; background: $block-cursor-background; }
        &.-moot { color: $foreground-muted; text-style: dim; }
        &.-wrong { background: $error 25%; }
    }
    """
    HELP = (
        "Type the value. Ctrl+U clears to the left, Ctrl+K to the right; Enter and the arrow keys go to the next field."
    )

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None, help: str = "") -> None:
        super().__init__(one_line(value), placeholder, id=id)
        self.cursor_blink = False
        self.own_help = help
        """Goes before HELP where it is given."""

    def on_blur(self) -> None:
        """Show where the text begins: its end stays in sight only where somebody types."""
        if self.app.app_focus:  # else it is the terminal that has lost the focus, and gives it back to this field
            self.scroll_to(x=0, force=True, animate=False)

    def watch_selection(self) -> None:
        """A text that is put into the field shows its beginning too."""
        if self.is_attached and self.screen.focused is not self:
            self.scroll_to(x=0, force=True, animate=False)

    def validate_value(self, value: str) -> str:
        """Only what a terminal may show."""
        return one_line(value)


def one_line(text: str) -> str:
    """The text as one line that can be edited: line feeds as \\n, no control characters; blanks stay as they are."""
    return plain_text(text).replace("\n", "\\n")
