"""AskingApp: what runs ask of the person, each as a dialog over the screen that shows"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.ui.looks import LookingApp
from cockpit.ui.messages import EditRecipe
from cockpit.ui.screens.recipes import RecipesScreen

if TYPE_CHECKING:
    from cockpit.launch.export_choices import ExportChoice
    from cockpit.launch.export_form import ExportForm
    from cockpit.recipe.document import RecipeDocument
    from cockpit.runs.folder import RunDir
    from cockpit.runs.label import Label
    from cockpit.runs.resumable import ResumePoint


class AskingApp(LookingApp):
    """The questions of ui/runs/host.py; `then` is called with the answer."""

    def refuse_start(self, document: RecipeDocument, reasons: Sequence[str]) -> None:
        """Say why a run was not started, and offer to edit its recipe."""
        from cockpit.ui.screens.questions import not_started

        def answered(answer: str | None) -> None:
            if answer == "edit":
                self.post_message(EditRecipe(document))

        self.push_screen(not_started(reasons, can_edit=isinstance(self.screen, RecipesScreen)), answered)

    def ask_steps(self, point: ResumePoint, then: Callable[[int | None], None]) -> None:
        """How many steps in all a run is to have that goes on."""
        from cockpit.ui.screens.resume_dialog import ResumeDialog

        self.push_screen(ResumeDialog(point), then)

    def ask_take_up(self, why: str, then: Callable[[], None]) -> None:
        """Whether to resume a run whose engine may still live."""
        from cockpit.ui.screens.questions import take_up

        self.push_screen(take_up(why), lambda answer: then() if answer == "resume" else None)

    def ask_host(self, names: Sequence[str], then: Callable[[int], None]) -> None:
        """On which of these hosts a run is to start."""
        from cockpit.ui.screens.questions import AT, which_host

        def answered(answer: str | None) -> None:
            if answer is not None and answer.startswith(AT):
                then(int(answer.removeprefix(AT)))

        self.push_screen(which_host(names), answered)

    def ask_form(self, run_id: str, forms: Sequence[str], then: Callable[[str], None]) -> None:
        """In which of these forms a run of another machine is exported there."""
        from cockpit.ui.screens.form_dialog import FormDialog

        self.push_screen(FormDialog(forms), lambda form: then(form) if form is not None else None)

    def ask_export(
        self,
        run: RunDir,
        choices: Sequence[ExportChoice],
        why_not: Callable[[ExportForm, Path], str],
        then: Callable[[tuple[ExportForm, Path] | None], None],
    ) -> None:
        """In which form, and into which folder."""
        from cockpit.ui.screens.export_dialog import ExportDialog

        self.push_screen(ExportDialog(run, choices, why_not), then)

    def ask_label(self, run: RunDir, then: Callable[[Label], None]) -> None:
        """What name, tags and note a run is to have."""
        from cockpit.runs.label import Label
        from cockpit.ui.screens.label_dialog import LabelDialog

        dialog = LabelDialog(run.id, Label.of(run))
        self.push_screen(dialog, lambda label: then(label) if label is not None else None)

    def ask_removal(self, run: RunDir, then: Callable[[], None], *, is_far: bool = False) -> None:
        """Whether to remove a run for good; `is_far` where it lies on another machine, and only its copy here."""
        from cockpit.runs.removal import size_of, what_is_kept
        from cockpit.ui.screens.questions import remove_far_run, remove_run

        question = remove_far_run(run.id) if is_far else remove_run(run.id, size_of(run), what_is_kept(run))
        self.push_screen(question, lambda answer: then() if answer == "remove" else None)

    def ask_end_export(self, run_id: str, then: Callable[[], None]) -> None:
        """Whether to end an export that is under way."""
        from cockpit.ui.screens.questions import end_export

        self.push_screen(end_export(run_id), lambda answer: then() if answer == "end" else None)
