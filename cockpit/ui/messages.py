"""What screens ask of the app: messages that bubble up to it, so that no screen needs to know the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from cockpit.protocol.events import Relaunch
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.folder import RunDir


class StartRun(Message):
    """Train this recipe."""

    def __init__(self, document: RecipeDocument) -> None:
        super().__init__()
        self.document = document


class QueueRecipe(Message):
    """Put this recipe into the queue."""

    def __init__(self, document: RecipeDocument) -> None:
        super().__init__()
        self.document = document


class ShowQueue(Message):
    """Show what waits for its turn."""


class EditRecipe(Message):
    """Open the editor on this recipe."""

    def __init__(self, document: RecipeDocument) -> None:
        super().__init__()
        self.document = document


class EditRun(Message):
    """Open the editor on what this run was trained with, at the field that is named in what was `told` of it."""

    def __init__(self, run: RunDir, recipe_name: str, told: str = "") -> None:
        super().__init__()
        self.run, self.recipe_name, self.told = run, recipe_name, told


class RelaunchRun(Message):
    """Launch this run again, which has run out of memory."""

    def __init__(self, run: RunDir, recipe_name: str, relaunch: Relaunch) -> None:
        super().__init__()
        self.run, self.recipe_name, self.relaunch = run, recipe_name, relaunch


class OpenRun(Message):
    """Show this run, live or past."""

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run


class ResumeRun(Message):
    """Go on with this run, which has ended."""

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run


class LabelRun(Message):
    """Ask what this run is to be called."""

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run


class CompareRuns(Message):
    """Show these runs side by side."""

    def __init__(self, runs: list[RunDir]) -> None:
        super().__init__()
        self.runs = runs


class RemoveRun(Message):
    """Remove this run for good, once the person has said so."""

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run


class ExportRun(Message):
    """Export what this run has saved."""

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run


class WarmFor(Message):
    """This recipe is looked at or edited: the standby engine should fit it."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
