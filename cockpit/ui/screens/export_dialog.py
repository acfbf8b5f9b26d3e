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
from textual.widgets import Button, Input, Static

from cockpit.launch.export_form import OFFERED, ExportForm, default_folder
from cockpit.runs.folder import RunDir
from cockpit.text.plain_text import plain_line
from cockpit.ui.screens.modal import AnswerButton, ModalDialog, answers, close_button
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.entry import Entry

Chosen = tuple[ExportForm, Path]
ASKED = "adapter: as it was trained. merged: one model with its base. gguf: one file for llama.cpp and Ollama."


class ExportDialog(ModalDialog[Chosen]):
    """The result is the form and the folder; None when the dialog is closed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "export", "export", id="export.start", tooltip="Begin; the log tells how it goes"),
    ]

    def __init__(self, run: RunDir, why_not: Callable[[ExportForm, Path], str]) -> None:
        """`why_not` says what stands in the way of a form in a folder; empty where nothing does."""
        super().__init__()
        self._run, self._why_not = run, why_not

    def compose(self) -> ComposeResult:
        """The form, the folder, and what stands in the way."""
        first = ExportForm.parse(OFFERED[0])
        with Vertical(classes="dialog") as box:
            box.border_title = Content(f"export {plain_line(self._run.id)}")
            yield Static(Content(ASKED))
            yield Choice(OFFERED, first.name, id="form", help="In which form it is saved.")
            yield Entry(str(default_folder(self._run, first)), id="folder", help="The folder that is made for it.")
            yield Static("", classes="said", markup=False)
            yield answers(AnswerButton("export", id="export", key="enter"), close_button())

    def on_mount(self) -> None:
        """Choose at once."""
        self.query_one("#form", Choice).focus()

    @on(Choice.Changed, "#form")
    def _on_form(self, event: Choice.Changed) -> None:
        """Its own folder, unless another one was typed."""
        event.stop()
        entry = self.query_one("#folder", Entry)
        if entry.value in self._offered():
            entry.value = str(default_folder(self._run, ExportForm.parse(event.value)))
        self._say("")

    def _offered(self) -> set[str]:
        """The folders that nobody has typed."""
        return {str(default_folder(self._run, ExportForm.parse(name))) for name in OFFERED}

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_export()

    @on(Button.Pressed)
    def _on_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "export":
            self.action_export()
        else:
            self.action_cancel()

    @property
    def holds_input(self) -> bool:
        return self.query_one("#folder", Entry).value not in self._offered()

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
