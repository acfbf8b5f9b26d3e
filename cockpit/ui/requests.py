"""RequestsApp: what screens and widgets ask of the app, as messages, and who does it"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from textual import on

from cockpit.text.plain_text import plain_line
from cockpit.ui.leaving import LeavingApp
from cockpit.ui.messages import (
    CompareRuns,
    EditRun,
    ExportRun,
    LabelRun,
    QueueRecipe,
    RelaunchRun,
    RemoveRun,
    ResumeRun,
    ShowQueue,
    StartRun,
    WarmFor,
)

if TYPE_CHECKING:
    from cockpit.ui.runs.far_runs import FarRuns
    from cockpit.ui.runs.new_runs import NewRuns
    from cockpit.ui.runs.past_runs import PastRuns
    from cockpit.ui.runs.retries import Retries


class RequestsApp(LeavingApp):
    """The app says who starts runs and who knows those that were."""

    _far: FarRuns | None
    """Where the runs that are shown are those of other machines."""
    _new: NewRuns | FarRuns
    _past: PastRuns | FarRuns
    _retries: Retries

    @on(StartRun)
    def _on_start_run(self, message: StartRun) -> None:
        if not self.run_is_going():
            self._new.start(message.document)
            return
        assert self.session is not None
        from cockpit.ui.screens.questions import start_beside

        def answered(answer: str | None) -> None:
            if answer == "beside":
                self._new.start(message.document)

        self.push_screen(start_beside(self.session.link.run.id), answered)

    @on(ResumeRun)
    def _on_resume_run(self, message: ResumeRun) -> None:
        self._past.resume(message.run)

    @on(ExportRun)
    def _on_export_run(self, message: ExportRun) -> None:
        self._past.export(message.run)

    @on(QueueRecipe)
    def _on_queue_recipe(self, message: QueueRecipe) -> None:
        from cockpit.recipe.problem import RecipeError

        if self._far is not None:
            self._far.queue(message.document)
        if self._queue is None:
            return
        try:
            number = self._queue.add(message.document, os.getcwd())  # noqa: PTH109
        except RecipeError as error:
            self.refuse_start(message.document, [str(problem) for problem in error.problems])
        except OSError as error:
            self.notify(f"The queue cannot be written: {error.strerror or error}.", severity="error", markup=False)
        else:
            self.notify(f"{plain_line(message.document.name)} waits in the queue, as number {number}.", markup=False)

    @on(ShowQueue)
    def _on_show_queue(self) -> None:
        from cockpit.ui.screens.queue import QueueScreen

        if self._queue is not None:
            self.push_screen(QueueScreen(self._queue))

    @on(CompareRuns)
    def _on_compare_runs(self, message: CompareRuns) -> None:
        from cockpit.ui.screens.compare import CompareScreen

        self.push_screen(CompareScreen(message.runs))

    @on(LabelRun)
    def _on_label_run(self, message: LabelRun) -> None:
        self._past.label(message.run)

    @on(RemoveRun)
    def _on_remove_run(self, message: RemoveRun) -> None:
        self._past.remove(message.run)

    @on(RelaunchRun)
    def _on_relaunch_run(self, message: RelaunchRun) -> None:
        self._retries.relaunch(message.run, message.recipe_name, message.relaunch)

    @on(EditRun)
    def _on_edit_run(self, message: EditRun) -> None:
        self._retries.edit(message.run, message.recipe_name, message.told)

    @on(WarmFor)
    def _on_warm_for(self, message: WarmFor) -> None:
        if self.standby is not None:
            self.standby.want(message.recipe)
