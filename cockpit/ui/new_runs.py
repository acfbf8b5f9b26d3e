"""NewRuns: checking a recipe, giving it to the standby engine or to a new one, showing the run"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

from cockpit.ui.requests import EditRecipe

if TYPE_CHECKING:
    from cockpit.links import Link
    from cockpit.recipe.document import RecipeDocument
    from cockpit.ui.app import CockpitApp


class NewRuns:
    """What the app does with a recipe that is to be trained. `tick`, called ten times a second, waits for nothing."""

    def __init__(self, app: CockpitApp) -> None:
        self._app = app
        self._pending: RecipeDocument | None = None
        """The recipe that waits for the GPU driver."""

    def tick(self) -> None:
        """Start what waits, once the driver has answered."""
        standby = self._app.standby
        if self._pending is not None and standby is not None and standby.report is not None:
            document, self._pending = self._pending, None
            self.start(document)

    def start(self, document: RecipeDocument) -> None:
        """Check the recipe, give it to the standby engine (or to a new one) and show the run; or say why not."""
        from cockpit.preflight import preflight
        from cockpit.recipe.problem import RecipeError
        from cockpit.run_dir import why_unwritable

        standby = self._app.standby
        report = standby.report if standby is not None else None
        if standby is None or report is None:
            self._pending = document
            self._app.notify("Waiting for the GPU driver to answer; the run starts then.", markup=False)
            return
        try:
            recipe = document.recipe()
            problems = preflight(recipe, report, document.file, document.line)
            if problems:
                raise RecipeError(problems)
            key = standby.key_for(recipe)
            name = recipe.output.run_name or document.name
            text = document.resolved_yaml()
            self._app.unload_ended()
            engine = standby.take(key, name)
            engine.train(text, name, ["cockpit", *sys.argv[1:]])
        except RecipeError as error:
            self._refuse(document, [str(problem) for problem in error.problems])
            return
        except OSError as error:
            self._refuse(document, [why_unwritable(error)])
            return
        except ValueError as error:
            self._refuse(document, [str(error)])
            return
        from cockpit.ui.session import RunSession

        session = RunSession(cast("Link", engine.link), recipe, document)
        session.is_engine_ours = True
        self._app.show_live(session)

    def _refuse(self, document: RecipeDocument, reasons: list[str]) -> None:
        from cockpit.ui.screens.questions import not_started
        from cockpit.ui.screens.recipes import RecipesScreen

        def answered(answer: str | None) -> None:
            if answer == "edit":
                self._app.post_message(EditRecipe(document))

        self._app.push_screen(not_started(reasons, can_edit=isinstance(self._app.screen, RecipesScreen)), answered)
