"""The engine's log: all that its process has written to its output, filtered by level, searched, copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input

from cockpit.runs.engine_output import EngineOutput
from cockpit.runs.ranks import rank_log
from cockpit.text.numbers import count, size
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.entry import Entry
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.log_pane import LEVELS, LogPane, sign_of

if TYPE_CHECKING:
    from cockpit.runs.folder import RunDir
    from cockpit.runs.sentences import LogLine

POLL_EVERY_S = 0.5
MOST_COPIED = 100_000
"""Characters; terminals take no more, or less, of a copy that comes through them (OSC 52)."""
SHOWN = {"info": "", "warning": "warnings and errors", "error": "errors"}


class EngineLogPane(LogPane):
    """Lines without a time, as the engine's own have none."""

    HELP = (
        "What the engine and its libraries have written. Scroll up to read: it waits; End follows it again. v shows "
        "warnings and errors alone, / searches, y copies what is shown, as the mouse and ctrl+c copy a part."
    )
    INDENT = 2
    MOST = 20_000

    def _head(self, line: LogLine) -> str:
        return sign_of(line)


class SearchField(Entry):
    """What is sought; hidden until it is asked for."""

    HELP = "Lines that hold this are marked. Enter goes to them, n and N from one to the next; Escape ends the search."
    DEFAULT_CSS = """
    SearchField { display: none; }
    SearchField.-open { display: block; }
    """

    def __init__(self) -> None:
        super().__init__(placeholder="search")


class EngineLogScreen(Screen[None]):
    """Over the screen of its run; it follows the log while it is open."""

    AUTO_FOCUS = "EngineLogPane"
    HELP = "All that the run's engine has written to its output: the last lines tell why it failed."
    DEFAULT_CSS = """
    EngineLogScreen EngineLogPane { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", id="engine_log.back", tooltip="End the search, or back to the run"),
        Binding("slash", "search", "search", id="engine_log.search", tooltip="Mark lines that hold some words",
                key_display="/"),
        Binding("n", "found(1)", "next", id="engine_log.next", tooltip="The next line that was found"),
        Binding("N", "found(-1)", "line before", id="engine_log.previous", tooltip="The line that was found before it",
                show=False),
        Binding("v", "level", "level", id="engine_log.level", tooltip="Warnings and errors, errors alone, or all"),
        Binding("y", "copy", "copy", id="engine_log.copy", tooltip="Copy what is shown, through the terminal"),
    ]  # fmt: skip

    def __init__(self, run: RunDir, rank: int = 0) -> None:
        """What `rank` of the run has written, where several have trained it."""
        super().__init__()
        self._path = rank_log(run, rank)
        self._output = EngineOutput(self._path)
        self._level = LEVELS[0]
        self._problem = ""

    def compose(self) -> ComposeResult:
        """The lines, and below them what is sought."""
        yield EngineLogPane(classes="pane")
        yield SearchField()
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin to read."""
        self._read()
        self.set_interval(POLL_EVERY_S, self._read)

    def _read(self) -> None:
        if not self.display:
            return
        try:
            lines, self._problem = self._output.poll(), ""
        except OSError as error:
            lines, self._problem = [], f"cannot be read: {error.strerror or error}"
        self.query_one(EngineLogPane).add(lines)
        self._show_title()

    def _show_title(self) -> None:
        skipped = self._output.skipped_bytes
        parts = [
            plain_line(str(self._path)),
            self._problem,
            f"the first {size(skipped)} are left out" if skipped else "",
            SHOWN[self._level],
        ]
        pane, title = self.query_one(EngineLogPane), Content(" · ".join(filter(None, parts)))
        if pane.border_title != title.markup:
            pane.border_title = title

    def action_search(self) -> None:
        """Type what is sought."""
        field = self.query_one(SearchField)
        field.add_class("-open")
        field.focus()

    @on(Input.Changed)
    def _on_typed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one(EngineLogPane).seek(event.value)

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(EngineLogPane).focus()

    def action_found(self, by: int) -> None:
        """Go from one line that was found to another."""
        self.query_one(EngineLogPane).step(by)

    def action_level(self) -> None:
        """Show fewer lines, or all again."""
        self._level = LEVELS[(LEVELS.index(self._level) + 1) % len(LEVELS)]
        self.query_one(EngineLogPane).show_from(self._level)
        self._show_title()

    def action_copy(self) -> None:
        """Copy the lines that are shown, or as many of the last ones as a terminal takes."""
        lines, characters = [], 0
        for line in reversed(self.query_one(EngineLogPane).shown_lines):
            characters += len(line) + 1
            if characters > MOST_COPIED:
                break
            lines.append(line)
        self.app.copy_to_clipboard("\n".join(reversed(lines)))
        self.notify(f"{count(len(lines))} lines are copied, where the terminal takes them (OSC 52).", markup=False)

    def action_back(self) -> None:
        """End the search, or go back."""
        field = self.query_one(SearchField)
        if not field.has_class("-open"):
            self.dismiss(None)
            return
        field.value = ""
        field.remove_class("-open")
        self.query_one(EngineLogPane).focus()
