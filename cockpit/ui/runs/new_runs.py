"""NewRuns: checking a recipe, giving it to the standby engine or to a new one, showing the run"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from cockpit.recipe.document import RecipeDocument
    from cockpit.runs.link import Link
    from cockpit.ui.runs.host import Host


class NewRuns:
    """What the app does with a recipe that is to be trained. `tick`, called ten times a second, waits for nothing."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._pending: RecipeDocument | None = None
        """The recipe that waits for the GPU driver."""

    def tick(self) -> None:
        """Start what waits, once the driver has answered."""
        standby = self._host.standby
        if self._pending is not None and standby is not None and standby.report is not None:
            document, self._pending = self._pending, None
            self.start(document)

    def start(self, document: RecipeDocument) -> None:
        """Check the recipe, give it to the standby engine (or to a new one) and show the run; or say why not."""
        from cockpit.preflight.checks import preflight
        from cockpit.preflight.outlook import fitted_here, settle
        from cockpit.recipe.document import resolved_yaml
        from cockpit.recipe.problem import RecipeError
        from cockpit.runs.folder import why_unwritable
        from cockpit.runs.starting_adapter import with_starting_adapter

        standby = self._host.standby
        report = standby.report if standby is not None else None
        if standby is None or report is None:
            self._pending = document
            self._host.notify("Waiting for the GPU driver to answer; the run starts then.", markup=False)
            return
        try:
            recipe = settle(document, report)
            problems = preflight(recipe, report, document.file, document.line)
            if problems:
                raise RecipeError(problems)
            key = standby.key_for(recipe)
            name = recipe.output.run_name or document.name
            found = fitted_here(recipe, report)
            text = resolved_yaml(with_starting_adapter(found.recipe))
            written = resolved_yaml(recipe) if found.differs else None
            self._host.unload_ended()
            engine = standby.take(key, name)
            engine.train(text, name, ["cockpit", *sys.argv[1:]], written=written, fitted=found.told)
        except RecipeError as error:
            self._host.refuse_start(document, [str(problem) for problem in error.problems])
            return
        except OSError as error:
            self._host.refuse_start(document, [why_unwritable(error)])
            return
        except ValueError as error:
            self._host.refuse_start(document, [str(error)])
            return
        from cockpit.ui.runs.session import RunSession

        session = RunSession(cast("Link", engine.link), found.recipe, document)
        session.is_engine_ours = True
        self._host.show_live(session)
