"""KeyBar: the keys that matter now, in one line at the bottom; a click presses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

GAP = 2
ON_THE_RIGHT = ("help", "app.help", "command_palette", "app.command_palette")
"""Actions that every screen has: they keep their place at the right end."""


@dataclass(frozen=True)
class ShownKey:
    """One key of the bar. `key` is Textual's name of it, `display` what stands there."""

    key: str
    display: str
    description: str
    tooltip: str
    action: str
    enabled: bool

    @property
    def cells(self) -> int:
        """How wide it is drawn."""
        return len(self.display) + 1 + len(self.description)

    def content(self) -> Content:
        """The key and its word."""
        if not self.enabled:
            return Content.styled(f"{self.display} {self.description}", "$foreground 40%")
        key = Content.styled(self.display, "bold $footer-key-foreground")
        return Content.assemble(key, (f" {self.description}", "$footer-description-foreground"))


class KeyBar(Widget):
    """Follows the screen's active bindings. Textual's Footer makes its widgets anew at each change of focus: ten times
    the work of a key's frame. Where there is no room for all, the ones on the left go first that come last.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    KeyBar { dock: bottom; height: 1; padding: 0 1; text-wrap: nowrap; background: $footer-background; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keys: list[ShownKey] = []

    def on_mount(self) -> None:
        """Be told when other keys work."""
        self.screen.bindings_updated_signal.subscribe(self, self._keys_changed)

    def _keys_changed(self, screen: Screen[Any]) -> None:
        if not self.is_attached or screen is not self.screen:
            return
        found: dict[str, ShownKey] = {}
        for active in screen.active_bindings.values():
            binding = active.binding
            if (binding.show or binding.action in ON_THE_RIGHT) and binding.action not in found:
                display = self.app.get_key_display(binding)
                tooltip = active.tooltip or binding.tooltip
                found[binding.action] = ShownKey(
                    binding.key, display, binding.description, tooltip, binding.action, active.enabled
                )
        if list(found.values()) != self._keys:
            self._keys = list(found.values())
            self.refresh()

    def render(self) -> Content:
        """The line."""
        line, at = Content(""), 0
        for start, key in self._places():
            line = Content.assemble(line, " " * (start - at), key.content())
            at = start + key.cells
        return line

    def _places(self) -> list[tuple[int, ShownKey]]:
        """Each key that there is room for, and the cell where it begins."""
        width = self.size.width
        right = sorted(
            (key for key in self._keys if key.action in ON_THE_RIGHT), key=lambda key: key.action, reverse=True
        )
        end = width - sum(key.cells for key in right) - GAP * max(0, len(right) - 1)
        places, at = [], 0
        for key in self._keys:
            if key.action in ON_THE_RIGHT:
                continue
            if at + key.cells + GAP > end:
                break
            places.append((at, key))
            at += key.cells + GAP
        at = end
        for key in right:
            places.append((at, key))
            at += key.cells + GAP
        return places

    def _key_at(self, x: int) -> ShownKey | None:
        x -= self.styles.padding.left
        return next((key for start, key in self._places() if start <= x < start + key.cells), None)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Say what the key under the mouse does."""
        key = self._key_at(event.x)
        self.tooltip = Content(key.tooltip) if key is not None and key.tooltip else None

    def on_click(self, event: events.Click) -> None:
        """Press the key under the mouse."""
        key = self._key_at(event.x)
        if key is not None and key.enabled:
            self.app.simulate_key(key.key)
