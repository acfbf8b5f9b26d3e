"""Give away what a run has saved: in which form, and into which folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from cockpit.launch.export_form import OFFERED, ExportForm, default_folder
from cockpit.runs.folder import RunDir
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.entry import Entry

Chosen = tuple[ExportForm, Path]
ASKED = "adapter: as it was trained. merged: one model with its base. gguf: one file for llama.cpp and Ollama."


class ExportDialog(ModalScreen[Chosen | None]):
    """The result is the form and the folder; None when the dialog is closed."""

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "export", "export", id="export.start", tooltip="Begin; the log tells how it goes"),
        Binding("escape", "cancel", "close", id="dialog.close", tooltip="Close this and export nothing"),
        Binding("down", "app.focus_next", "next", id="export.next", tooltip="Go to the next field", show=False),
        Binding("up", "app.focus_previous", "previous", id="export.previous", tooltip="Go to the one before",
                show=False),
    ]  # fmt: skip

    def __init__(self, run: RunDir, why_not: Callable[[ExportForm, Path], str]) -> None:
        """`why_not` says what stands in the way of a form in a folder; empty where nothing does."""
        super().__init__()
        self._run, self._why_not = run, why_not

    def compose(self) -> ComposeResult:
        """The form, the folder, and what stands in the way."""
        first = ExportForm.parse(OFFERED[0])
        with Vertical(classes="dialog") as box:
            box.border_title = Content(f"export {plain_line(self._run.id)}")
            box.border_subtitle = "enter exports · esc closes"
            yield Static(Content(ASKED))
            yield Choice(OFFERED, first.name, id="form", help="In which form it is saved.")
            yield Entry(str(default_folder(self._run, first)), id="folder", help="The folder that is made for it.")
            yield Static("", classes="said", markup=False)

    def on_mount(self) -> None:
        """Choose at once."""
        self.query_one("#form", Choice).focus()

    @on(Choice.Changed, "#form")
    def _on_form(self, event: Choice.Changed) -> None:
        """Its own folder, unless another one was typed."""
        event.stop()
        entry = self.query_one("#folder", Entry)
        offered = {str(default_folder(self._run, ExportForm.parse(name))) for name in OFFERED}
        if entry.value in offered:
            entry.value = str(default_folder(self._run, ExportForm.parse(event.value)))
        self._say("")

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_export()

    def action_export(self) -> None:
        """Take the choice where it can be done."""
        form = ExportForm.parse(self.query_one("#form", Choice).value)
        text = self.query_one("#folder", Entry).value.strip()
        try:
            folder = Path(text).expanduser().absolute()
            wrong = self._why_not(form, folder) if text else "Name a folder."
        except (OSError, RuntimeError, ValueError) as error:
            wrong = f"This is no folder: {error}."
        if wrong:
            self._say(wrong)
        else:
            self.dismiss((form, folder))

    def _say(self, text: str) -> None:
        said = self.query_one(".said", Static)
        said.update(Content(plain_line(text)))
        said.set_class(bool(text), "-wrong")

    def action_cancel(self) -> None:
        """Export nothing."""
        self.dismiss(None)
