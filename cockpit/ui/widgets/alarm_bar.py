"""AlarmBar: what the watchdogs have found that is still so, a line each. Hidden while there is nothing."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content

from cockpit.protocol.events import WatchdogFired
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.lines import Lines
from cockpit.ui.widgets.state_signs import alarm_level

READ = "w read"
"""The key that opens all of it, at the end of the last line."""
MOST = 2
"""Lines; where more is on, the worst are shown, and of these the newest."""


class AlarmBar(Lines):
    """`show` takes the alarms that are on, by name, the oldest first. A click does what the key does."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    AlarmBar { display: none; height: auto; padding: 0 1; background: $surface; }
    AlarmBar.-on { display: block; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._alarms: tuple[WatchdogFired, ...] = ()

    def show(self, alarms: Mapping[str, WatchdogFired]) -> None:
        """Draw these."""
        now = tuple(alarms.values())
        if now != self._alarms:
            self._alarms = now
            self.set_class(bool(now), "-on")
            self.redraw()

    def lines(self) -> list[Content]:
        hidden = len(self._alarms) - MOST
        by_weight = sorted(self._alarms, key=lambda alarm: _level(alarm) == "error")
        shown = [self._line(alarm) for alarm in by_weight[-MOST:]]
        if shown:
            more = f"{hidden} more, " if hidden > 0 else ""
            shown[-1] = self._with_key(shown[-1], Content.styled(f"{more}{READ}", "bold $footer-key-foreground"))
        return shown

    def _line(self, alarm: WatchdogFired) -> Content:
        colour = f"${_level(alarm)}"
        told = " ".join(filter(None, (alarm.finding, alarm.advice)))
        return Content.assemble(
            (f"{glyphs().warn} {alarm_name(alarm)}  ", f"bold {colour}"), (plain_line(told), "$foreground")
        )

    def _with_key(self, line: Content, key: Content) -> Content:
        room = self.content_size.width - key.cell_length - 2
        line = line.truncate(max(0, room), ellipsis=True)
        return line + " " * max(2, self.content_size.width - line.cell_length - key.cell_length) + key

    async def on_click(self) -> None:
        """Read them."""
        await self.run_action("screen.read_alarms")


def _level(alarm: WatchdogFired) -> str:
    return alarm_level({alarm.watchdog: alarm})


def alarm_name(alarm: WatchdogFired) -> str:
    """As people say it: loss diverging."""
    return plain_line(alarm.watchdog.replace("_", " "))
