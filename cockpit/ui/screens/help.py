"""What can be done here: the focused widget's help and the keys that work now, each with what it does."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Static

KEY_NAMES = {"question_mark": "?", "escape": "esc", "up": "↑", "down": "↓", "left": "←", "right": "→", "plus": "+"}


class HelpText(VerticalScroll):
    """The page, scrolled with the arrow keys."""

    HELP = "Up and down scroll this page; Escape or F1 closes it."


class HelpScreen(ModalScreen[None]):
    """Help for the screen under it, as it was when F1 was pressed."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,q", "dismiss", "close help", id="help.close", tooltip="Close this page"),
    ]

    def __init__(self, asked_from: Screen[object]) -> None:
        super().__init__()
        self._focused_help = help_of(asked_from.focused)
        self._screen_help = getattr(asked_from, "HELP", None) or ""
        self._keys = keys_of(asked_from)

    def compose(self) -> ComposeResult:
        """One scrolled page."""
        with HelpText(classes="help") as page:
            page.border_title = "help"
            page.border_subtitle = "esc closes"
            if self._focused_help:
                yield Static(Content(self._focused_help), classes="focused-help")
            if self._screen_help:
                yield Static(Content(self._screen_help.strip()), classes="screen-help")
            yield Static(self._key_table())

    def _key_table(self) -> Content:
        width = max((len(key) for key, _, _ in self._keys), default=0)
        lines = [
            Content.assemble((f"{key:>{width}}", "bold $primary"), "  ", (tooltip or description))
            for key, description, tooltip in self._keys
        ]
        return Content("\n").join(lines)


def help_of(widget: Widget | None) -> str:
    """The help of a widget or of the nearest one around it that has any."""
    if widget is None:
        return ""
    for node in widget.ancestors_with_self:
        if isinstance(node, Screen):
            return ""
        text = getattr(node, "HELP", None)
        if text:
            return str(text).strip()
    return ""


def keys_of(screen: Screen[object]) -> list[tuple[str, str, str]]:
    """The keys that work on `screen` now, as (keys, description, tooltip): the nearest to the focus first."""
    found: dict[str, tuple[list[str], str, str]] = {}
    for key, active in screen.active_bindings.items():
        binding = active.binding
        if not binding.description or binding.system or not active.enabled:
            continue
        if binding.id is None and not binding.show:
            continue
        shown = binding.key_display or "+".join(KEY_NAMES.get(part, part) for part in key.split("+"))
        keys, _, _ = found.setdefault(binding.action, ([], binding.description, active.tooltip or binding.tooltip))
        keys.append(shown.replace("ctrl+", "^").replace("enter", "Enter").upper() if shown.startswith("f") else shown)
    return [(", ".join(keys), description, tooltip) for keys, description, tooltip in found.values()]
