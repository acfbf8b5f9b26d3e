"""Retries: a run that has failed launched again, with settings that need less memory or after an edit"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from cockpit.text.plain_text import plain_text

if TYPE_CHECKING:
    from cockpit.protocol.events import Relaunch
    from cockpit.recipe.document import RecipeDocument
    from cockpit.runs.folder import RunDir
    from cockpit.ui.runs.host import Host
    from cockpit.ui.runs.past_runs import PastRuns

DOTTED = re.compile(r"\b[a-z_]+(?:\.[a-z_0-9]+)+")


class Starter(Protocol):
    """Who starts runs; NewRuns is one."""

    def start(self, document: RecipeDocument) -> None: ...


class Retries:
    """What the app does with a run that is to be tried again."""

    def __init__(self, host: Host, past: PastRuns, new: Starter) -> None:
        self._host, self._past, self._new = host, past, new

    def edit(self, run: RunDir, recipe_name: str, told: str = "") -> None:
        """Open the editor on what the run was trained with, at the field that is named in what was `told` of it."""
        document = self._document(run, recipe_name)
        if document is not None:
            self._host.edit_recipe(document, named_field(told))

    def relaunch(self, run: RunDir, recipe_name: str, relaunch: Relaunch) -> None:
        """Go on from the newest complete checkpoint with other settings, if there is one and they allow it; else train
        anew with them, as a run of its own."""
        from cockpit.recipe.problem import RecipeError
        from cockpit.runs.checkpoint import newest_complete

        if relaunch.resumes and newest_complete(run.checkpoints)[0] is not None:
            self._past.resume_with(run, relaunch.settings)
            return
        document = self._document(run, recipe_name)
        if document is None:
            return
        try:
            for setting in relaunch.settings:
                document.set_from_text(setting)
        except RecipeError as error:
            self._host.notify(plain_text(str(error)), severity="error", markup=False)
            return
        self._host.show_recipes()
        self._new.start(document)

    def _document(self, run: RunDir, recipe_name: str) -> RecipeDocument | None:
        """A recipe that is no file yet: the run's own stays as it is. None where it cannot be read, which is told."""
        from cockpit.recipe.problem import RecipeError
        from cockpit.runs.origin import distrust, recipe_of_run

        try:
            document = recipe_of_run(run.path, f"{recipe_name or run.id}.yaml")
            refusal = distrust(run.path)
        except (RecipeError, OSError) as error:
            why = str(error.problems[0]) if isinstance(error, RecipeError) else str(error)
            self._host.notify(f"The run's recipe cannot be read: {plain_text(why)}", severity="error", markup=False)
            return None
        if refusal:
            self._host.notify(refusal, severity="warning", markup=False)
        document.path = None
        return document


def named_field(told: str) -> str:
    """The first field of a recipe that sentences name, as data.on_bad_row; empty where they name none."""
    from cockpit.recipe.field_path import parts
    from cockpit.recipe.schema import find_place

    return next((name for name in DOTTED.findall(told) if find_place(parts(name)) is not None), "")
