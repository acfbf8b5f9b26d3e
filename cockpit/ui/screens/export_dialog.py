"""Give away what a run has saved: in which form, and into which folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, OptionList, Static

from cockpit.launch.export_choices import ExportChoice
from cockpit.launch.export_form import ExportForm, default_folder
from cockpit.runs.folder import RunDir
from cockpit.text.plain_text import plain_line
from cockpit.ui.screens.modal import AnswerButton, ModalDialog, answers, close_button
from cockpit.ui.widgets.entry import Entry
from cockpit.ui.widgets.export_list import ExportList

Chosen = tuple[ExportForm, Path]


class ExportDialog(ModalDialog[Chosen]):
    """The result is the form and the folder; None when the dialog is closed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "export", "export", id="export.start", tooltip="Begin; the log tells how it goes"),
    ]

    def __init__(
        self, run: RunDir, choices: Sequence[ExportChoice], why_not: Callable[[ExportForm, Path], str]
    ) -> None:
        """`why_not` says what stands in the way of a form in a folder; empty where nothing does."""
        super().__init__()
        self._run, self._choices, self._why_not = run, choices, why_not

    def compose(self) -> ComposeResult:
        """The forms, the folder, and what stands in the way."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(f"export {plain_line(self._run.id)}")
            yield ExportList(self._choices, id="form", classes="pane")
            yield Entry(self._folder_of(self._choices[0]), id="folder", help="The folder that is made for it.")
            with VerticalScroll(classes="why-not", can_focus=False):
                yield Static("", classes="said", markup=False)
            yield answers(AnswerButton("export", id="export", key="enter"), close_button())

    def on_mount(self) -> None:
        """Choose at once."""
        forms = self.query_one(ExportList)
        forms.highlighted = 0
        forms.focus()

    def _folder_of(self, choice: ExportChoice) -> str:
        return str(default_folder(self._run, choice.form))

    @on(OptionList.OptionHighlighted, "#form")
    def _on_form(self, event: OptionList.OptionHighlighted) -> None:
        """Its own folder, unless another one was typed."""
        event.stop()
        entry, marked = self.query_one("#folder", Entry), self.query_one(ExportList).marked
        if entry.value in map(self._folder_of, self._choices):
            entry.value = self._folder_of(marked)
        self._say(marked.obstacle)

    @on(OptionList.OptionSelected, "#form")
    @on(Input.Submitted)
    def _on_submitted(self, event: OptionList.OptionSelected | Input.Submitted) -> None:
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
        return self.query_one("#folder", Entry).value not in map(self._folder_of, self._choices)

    def action_export(self) -> None:
        """Take the choice where it can be done."""
        marked = self.query_one(ExportList).marked
        text = self.query_one("#folder", Entry).value.strip()
        try:
            folder = Path(text).expanduser().absolute()
            wrong = marked.obstacle or (self._why_not(marked.form, folder) if text else "Name a folder.")
        except (OSError, RuntimeError, ValueError) as error:
            wrong = f"This is no folder: {error}."
        if wrong:
            self._say(wrong)
        else:
            self.dismiss((marked.form, folder))

    def _say(self, text: str) -> None:
        said = self.query_one(".said", Static)
        said.update(Content(plain_line(text)))
        said.set_class(bool(text), "-wrong")
