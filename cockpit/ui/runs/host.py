"""Host: what runs need of the app that shows them; CockpitApp is one"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from cockpit.launch.export_choices import ExportChoice
    from cockpit.launch.export_form import ExportForm
    from cockpit.recipe.document import RecipeDocument
    from cockpit.runs.folder import RunDir
    from cockpit.runs.label import Label
    from cockpit.runs.resumable import ResumePoint
    from cockpit.settings import Price
    from cockpit.ui.runs.engines import Engines
    from cockpit.ui.runs.session import RunSession
    from cockpit.ui.runs.standby import Standby
    from cockpit.ui.widgets.top_line import EngineStatus

Severity = Literal["information", "warning", "error"]


class Host(Protocol):
    """Tells the person, asks the person, and shows what is meant to be seen."""

    engines: Engines | None
    session: RunSession | None
    standby: Standby | None
    price: Price | None
    """Of a GPU-hour, where the user has set one."""

    @property
    def engine_status(self) -> EngineStatus: ...
    def notify(self, message: str, *, severity: Severity = "information", markup: bool = True) -> None: ...
    def unload_ended(self) -> None: ...
    def set_terminal_title(self, title: str) -> None: ...
    def show_live(self, session: RunSession) -> None: ...
    def open_run(self, run: RunDir) -> None:
        """Show a run: as it goes on where it is live, as it ended where it is past."""
        ...

    def show_chat(self, session: RunSession, *, by_itself: bool = False) -> None:
        """Talk to what the run has trained; `by_itself` where nobody has asked for that."""
        ...

    def show_recipes(self) -> None: ...
    def edit_recipe(self, document: RecipeDocument, field: str = "") -> None:
        """Open the editor on a recipe, at this field where one is named."""
        ...

    def show_log(self) -> bool:
        """Bring the run's log into sight where its screen is open; whether that screen is the one on top."""
        ...

    def refuse_start(self, document: RecipeDocument, reasons: Sequence[str]) -> None:
        """Say why a run was not started, and offer to edit its recipe."""
        ...

    def ask_steps(self, point: ResumePoint, then: Callable[[int | None], None]) -> None:
        """How many steps in all; None where the person changes nothing."""
        ...

    def ask_take_up(self, why: str, then: Callable[[], None]) -> None:
        """Whether to resume a run whose engine may still live; `then` is called only where it is to be resumed."""
        ...

    def ask_host(self, names: Sequence[str], then: Callable[[int], None]) -> None:
        """On which of these hosts; `then` is called with its index, where one is chosen."""
        ...

    def ask_form(self, run_id: str, forms: Sequence[str], then: Callable[[str], None]) -> None:
        """In which of these forms a run of another machine is exported there; `then` is called where one is chosen."""
        ...

    def ask_export(
        self,
        run: RunDir,
        choices: Sequence[ExportChoice],
        why_not: Callable[[ExportForm, Path], str],
        then: Callable[[tuple[ExportForm, Path] | None], None],
    ) -> None:
        """In which form, and into which folder; None where the person exports nothing."""
        ...

    def ask_label(self, run: RunDir, then: Callable[[Label], None]) -> None:
        """What name, tags and note a run is to have; `then` is called only where the person gives some."""
        ...

    def ask_removal(self, run: RunDir, then: Callable[[], None], *, is_far: bool = False) -> None:
        """Whether to remove a run for good; `then` is called only where it is to go. `is_far`: on another machine."""
        ...

    def ask_end_export(self, run_id: str, then: Callable[[], None]) -> None:
        """Whether to end an export that is under way; `then` is called only where it is to end."""
        ...
