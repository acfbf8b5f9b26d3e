"""What can be done here: the focused widget's help and the keys that work now, each with what it does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Button, Static

from cockpit.ui.screens.modal import AnswerButton, ModalDialog, answers

KEY_NAMES = {"question_mark": "?", "escape": "esc", "up": "↑", "down": "↓", "left": "←", "right": "→", "plus": "+"}


FRAME = 7
"""Lines around the page: the box's edge and blank lines, the button, and one of the screen above and below."""


class HelpText(VerticalScroll):
    """The page, scrolled with the arrow keys."""

    HELP = "Up and down scroll this page; Escape or F1 closes it, and a click beside it."


class KeyTable(Widget):
    """Keys on the left, what they do beside them; lines are broken to the width."""

    DEFAULT_CSS = "KeyTable { height: auto; }"

    def __init__(self, keys: Sequence[tuple[str, str, str]]) -> None:
        """Keys, short description, and what they do in a sentence (may be empty)."""
        super().__init__()
        self._keys = keys

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render(self) -> Content:
        """The table."""
        return Content("\n").join(self._lines(self.size.width))

    def _lines(self, width: int) -> list[Content]:
        first = max((len(keys) for keys, _, _ in self._keys), default=0)
        lines = []
        for keys, description, tooltip in self._keys:
            for index, line in enumerate(Content(tooltip or description).wrap(max(10, width - first - 2))):
                lines.append(Content.assemble((f"{'' if index else keys:>{first}}", "bold $primary"), "  ", line))
        return lines


class HelpScreen(ModalDialog[None]):
    """Help for the screen under it, as it was when F1 was pressed."""

    CSS_PATH: ClassVar[str | PurePath | list[str | PurePath]] = ["dialog.tcss", "help.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,question_mark,q", "cancel", "close help", id="help.close", tooltip="Close this page"),
    ]

    def __init__(self, asked_from: Screen[object]) -> None:
        super().__init__()
        self._focused_help = help_of(asked_from.focused)
        self._screen_help = getattr(asked_from, "HELP", None) or ""
        self._keys = keys_of(asked_from)

    def compose(self) -> ComposeResult:
        """One scrolled page, and the way back."""
        with Vertical(classes="help") as box:
            box.border_title = "help"
            with HelpText():
                if self._focused_help:
                    yield Static(Content(self._focused_help), classes="focused-help")
                if self._screen_help:
                    yield Static(Content(self._screen_help.strip()), classes="screen-help")
                yield KeyTable(self._keys)
            yield answers(AnswerButton("close", id="close", key="esc", tooltip="Close this page"))

    def on_mount(self) -> None:
        """Scroll at once."""
        self.query_one(HelpText).focus()

    def on_resize(self, event: events.Resize) -> None:
        """The page takes what the frame and the button leave."""
        self.query_one(HelpText).styles.max_height = max(3, event.size.height - FRAME)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Back."""
        event.stop()
        self.action_cancel()


def help_of(widget: Widget | None) -> str:
    """The help of a widget or of the nearest one around it that has any."""
    if widget is None:
        return ""
    for node in widget.ancestors_with_self:
        if isinstance(node, Screen):
            return ""
        text = getattr(node, "own_help", "") or getattr(node, "HELP", None)
        if text:
            return str(text).strip()
    return ""


def keys_of(screen: Screen[object]) -> list[tuple[str, str, str]]:
    """The keys that work on `screen` now, as (keys, description, tooltip): the nearest to the focus first."""
    found: dict[str, tuple[list[str], str, str]] = {}
    for key, active in screen.active_bindings.items():
        binding = active.binding
        is_ours = binding.id is not None or binding.show or binding.action == "command_palette"
        if not binding.description or not active.enabled or not is_ours:
            continue
        shown = binding.key_display or "+".join(KEY_NAMES.get(part, part) for part in key.split("+"))
        keys, _, _ = found.setdefault(binding.action, ([], binding.description, active.tooltip or binding.tooltip))
        if shown not in keys:
            keys.append(shown)
    return [(", ".join(keys), description, tooltip) for keys, description, tooltip in found.values()]
