"""What screens ask of the app: messages that bubble up to it, so that no screen needs to know the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.folder import RunDir


class StartRun(Message):
    """Train this recipe."""

    def __init__(self, document: RecipeDocument) -> None:
        super().__init__()
        self.document = document


class EditRecipe(Message):
    """Open the editor on this recipe."""

    def __init__(self, document: RecipeDocument) -> None:
        super().__init__()
        self.document = document


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
