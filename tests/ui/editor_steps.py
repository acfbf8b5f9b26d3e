"""The editor as a person uses it: a recipe is opened in it, a field is gone to, a value is typed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from cockpit.recipe.document import RecipeDocument
from cockpit.ui.app import CockpitApp
from cockpit.ui.messages import EditRecipe
from cockpit.ui.screens.editor import EditorScreen
from cockpit.ui.widgets.recipe_form import RecipeForm
from tests.ui.engines import FakeEngines, FakeProbe, flown
from tests.ui.waiting import ahead, until


@asynccontextmanager
async def editing(
    path: Path,
    size: tuple[int, int] = (120, 40),
    engines: FakeEngines | None = None,
    probe: FakeProbe | None = None,
) -> AsyncIterator[tuple[CockpitApp, Pilot[Any], EditorScreen]]:
    async with flown(size, engines=engines, probe=probe) as (app, pilot):
        app.post_message(EditRecipe(RecipeDocument.load(path)))
        await until(pilot, lambda: isinstance(app.screen, EditorScreen))
        screen = app.screen
        assert isinstance(screen, EditorScreen)
        await until(pilot, lambda: screen.query_one(RecipeForm).focused_path is not None)
        yield app, pilot, screen


async def go_to(pilot: Pilot[Any], screen: EditorScreen, path: str) -> None:
    """By keys: the group, then down to the field."""
    form = screen.query_one(RecipeForm)
    while path not in (paths := [field.path for field in screen.draft.fields_of(form.group)]):
        ahead(pilot, "pagedown")
        await until(pilot, lambda group=form.group: form.group != group)  # type: ignore[misc]
    await until(pilot, lambda: form.focused_path in paths)
    if path in screen.rare:
        await pilot.press("f9")
    paths = [one for one in paths if one not in screen.draft.left_out() | screen.rare]
    steps = paths.index(path) - paths.index(str(form.focused_path))
    ahead(pilot, *["down" if steps > 0 else "up"] * abs(steps))
    await until(pilot, lambda: form.focused_path == path)
