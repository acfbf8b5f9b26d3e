"""LookingApp: themes, what of them the terminal can show, and the terminal's title"""

from __future__ import annotations

from typing import Any

from textual.driver import Driver

from cockpit.ui.preferences import remember_theme, remembered_theme
from cockpit.ui.themes import DARK, LIGHT, THEMES, meanings, themes_for
from cockpit.ui.typed_ahead import TypedAhead


class LookingApp(TypedAhead):
    """An app in our colours."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for theme in THEMES:
            self.register_theme(theme)
        theme_name = remembered_theme()
        self.theme = theme_name if theme_name in self.available_themes else DARK.name

    def remember_themes(self) -> None:
        """Keep which theme is chosen from now on."""
        self.theme_changed_signal.subscribe(self, self._remember_theme)

    async def run_async(self, *, headless: bool = False, **options: Any) -> None:
        """Run in the colours that the terminal has; a picture has all of them."""
        if not headless:
            self.fit_colours()
        return await super().run_async(headless=headless, **options)

    def fit_colours(self) -> None:
        """Take the themes that the terminal can show."""
        for theme in themes_for(self.console.color_system):
            self.register_theme(theme)

    def get_driver_class(self) -> type[Driver]:
        """The driver that notices a terminal which goes away."""
        driver_class = super().get_driver_class()
        if driver_class.__name__ != "LinuxDriver":
            return driver_class
        from cockpit.ui.terminal import TerminalDriver

        return TerminalDriver

    def action_toggle_theme(self) -> None:
        """The other of the two themes."""
        self.theme = DARK.name if self.theme == LIGHT.name else LIGHT.name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """What our colours are in a theme that comes with Textual."""
        return meanings(self.current_theme)

    def _remember_theme(self, _theme: object) -> None:
        if self.theme != remembered_theme():
            remember_theme(self.theme)

    def set_terminal_title(self, title: str) -> None:
        """Name the terminal's window or tmux pane."""
        set_title = getattr(self._driver, "set_title", None)
        if set_title is not None:
            set_title(title)
