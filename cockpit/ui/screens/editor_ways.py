"""Where a recipe goes from the editor: into a run or the queue, to its data, to be measured, into a file, back"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from textual.screen import Screen

from cockpit.text.plain_text import plain_text
from cockpit.ui.messages import QueueRecipe, StartRun
from cockpit.ui.widgets.recipe_form import RecipeForm
from cockpit.ui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from cockpit.data.look import DataLook
    from cockpit.tuning.told import Setting
    from cockpit.ui.editing.draft import Draft

DUPLICATES = "data.duplicates"
TUNE_S = 300.0
"""How long the ways to train are measured."""


class EditorWays(Screen[Path | None]):
    """The editor is one: it has the form, and knows what is wrong."""

    draft: Draft
    _saved_as: Path | None

    @property
    def unsaved(self) -> int:
        """Fields that leaving would lose."""
        raise NotImplementedError

    def take_in(self, path: str, text: str) -> None:
        """Change a field, as in the form."""
        raise NotImplementedError

    def take_all_in(self) -> None:
        """All that stands in the form."""
        raise NotImplementedError

    def errors(self) -> dict[str, str]:
        """What is wrong, by field."""
        raise NotImplementedError

    def show_states(self) -> None:
        """Mark what is changed and what is wrong."""
        raise NotImplementedError

    def show_plan(self) -> None:
        """What the edits mean."""
        raise NotImplementedError

    def plan_soon(self) -> None:
        """The same, once typing has paused."""
        raise NotImplementedError

    async def show_group(self, group: str) -> None:
        """The fields of one group."""
        raise NotImplementedError

    async def action_start(self) -> None:
        """Train, or go to the first error."""
        self.take_all_in()
        self.show_plan()
        if await self._has_errors("start", self.errors()):
            return
        self.post_message(StartRun(self.draft.document.copy()))

    async def action_queue(self) -> None:
        """Into the queue, or go to the first error."""
        self.take_all_in()
        self.show_plan()
        if not await self._has_errors("queue", self.errors()):
            self.post_message(QueueRecipe(self.draft.document.copy()))

    async def action_data(self) -> None:
        """Look at the data, or go to the first error."""
        self.take_all_in()
        if await self._has_errors("look at the data", self.draft.errors()):
            return
        from cockpit.ui.screens.data import DataScreen

        look = self._look()
        if look is not None:
            screen = DataScreen(
                self.draft.document.name, look, unsaved=self.unsaved, set_duplicates=self._set_duplicates
            )
            self.app.push_screen(screen)

    def _look(self) -> DataLook | None:
        """Begin to look at the recipe's data; None where that cannot be, which is told."""
        from cockpit.data.look import DataLook

        try:
            return DataLook(self.draft.document.resolved_yaml())
        except OSError as error:
            self.notify(f"The data cannot be looked at: {error}", severity="error", markup=False)
            return None

    def _set_duplicates(self, policy: str) -> DataLook | None:
        """Change what becomes of rows that stand twice, as in the form, and look again."""
        self.take_in(DUPLICATES, policy)
        self.show_states()
        self.plan_soon()
        return self._look()

    async def action_tune(self) -> None:
        """Measure how it trains fastest, or go to the first error."""
        self.take_all_in()
        if await self._has_errors("tune", self.errors()):
            return
        from cockpit.tuning.process import TuneProcess
        from cockpit.ui.screens.tune import TuneScreen

        document = self.draft.document
        try:
            tuning = TuneProcess(document.resolved_yaml(), TUNE_S)
        except OSError as error:
            self.notify(f"It cannot be measured: {error}", severity="error", markup=False)
            return
        screen = TuneScreen(document.name, tuning, document.value, self._take_settings, unsaved=self.unsaved)
        self.app.push_screen(screen)

    def _take_settings(self, settings: Mapping[str, Setting]) -> None:
        """Change fields as in the form."""
        from cockpit.recipe.fields import format_value

        for path, value in settings.items():
            self.draft.type(path, format_value(value))
        self.query_one(RecipeForm).refresh_texts(list(settings))
        self.show_states()
        self.plan_soon()
        self.notify(f"{len(settings)} fields are changed; Ctrl+S keeps them.", markup=False)

    async def action_save(self) -> None:
        """Ask for a name, and write the recipe there."""
        self.take_all_in()
        if await self._has_errors("save", self.draft.errors()):
            return
        from cockpit.paths import user_recipes_folder
        from cockpit.ui.screens.save_dialog import SaveDialog

        self.app.push_screen(SaveDialog(user_recipes_folder(), self.draft.document.name), self._save)

    def _save(self, path: Path | None) -> None:
        if path is None:
            return
        try:
            self.draft.saved(path)
        except OSError as error:
            self.notify(f"It could not be saved: {error}", severity="error", markup=False)
            return
        self._saved_as = path
        self.query_one(TopLine).place = f"{self.draft.document.name} · edit"
        self.show_states()
        self.notify(f"Saved as {plain_text(self.draft.document.name)}, in the list from now on.", markup=False)

    async def _has_errors(self, what: str, errors: dict[str, str]) -> bool:
        if not errors:
            return False
        first = next(iter(errors))
        if first in self.draft.fields:
            await self.show_group(self.draft.fields[first].group)
            self.query_one(RecipeForm).focus_field(first)
        where = f"the first at {first}." if first in self.draft.fields else f"{first}: {errors[first]}."
        self.notify(f"Cannot {what}: {errors_text(len(errors))} left, {where}", severity="error", markup=False)
        return True

    def action_leave(self) -> None:
        """Back to the recipes; asks where edits would be lost."""
        changes = self.unsaved
        if not changes:
            self.dismiss(self._saved_as)
            return
        from cockpit.ui.screens.questions import drop_changes

        def answered(answer: str | None) -> None:
            if answer == "drop":
                self.dismiss(self._saved_as)

        self.app.push_screen(drop_changes(changes, quits=False), answered)


def errors_text(count: int) -> str:
    """1 error, 3 errors."""
    return f"{count} error{'s' * (count != 1)}"
