"""A prompt about a picture, in the chat of a run that learnt from images."""

from pathlib import Path

from textual.widgets import Input

from cockpit.recipe.document import RecipeDocument
from cockpit.ui.screens.path_dialog import PathDialog
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.prompt_field import PromptField
from tests.recording import RECIPE
from tests.ui.talking import TRIAL, Talking, keys, shown
from tests.ui.waiting import ahead, until


def about_images() -> str:
    """A recipe whose rows are images and texts."""
    document = RecipeDocument.parse(RECIPE, "recipe.yaml")
    document.set("data.sources.0.format", "image_text")
    return document.resolved_yaml()


def titled(talking: Talking) -> str:
    return str(talking.app.screen.query_one(PromptField).border_title)


async def test_a_picture_goes_with_one_prompt_and_with_its_history(tmp_path: Path) -> None:
    picture = tmp_path / "formula.png"
    picture.write_bytes(b"any")
    talking = Talking(tmp_path, recipe=about_images())
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f9")
        await until(pilot, lambda: isinstance(pilot.app.screen, PathDialog))
        pilot.app.screen.query_one(Input).value = str(tmp_path / "gone.png")
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, PathDialog), "there is no such file"
        pilot.app.screen.query_one(Input).value = str(picture)
        await pilot.press("enter")
        await until(pilot, lambda: "about formula.png" in titled(talking))
        await pilot.press("enter")
        await until(pilot, lambda: bool(talking.asked))
        about = {"role": "user", "content": TRIAL, "image": str(picture)}
        assert talking.asked[-1].messages == [about]
        assert shown(pilot)[0] == f"you\n{TRIAL} (image formula.png)"
        assert "about" not in titled(talking)
        talking.reply("x^2")
        await until(pilot, lambda: "tokens/s" in shown(pilot)[-1])
        pilot.app.screen.query_one("#who", Choice).value = "base"
        await until(pilot, lambda: len(talking.asked) == 2)
        assert talking.asked[-1].messages == [about] and not talking.asked[-1].adapter
        talking.reply("y^2")
        await until(pilot, lambda: "tokens/s" in shown(pilot)[-1])
        ahead(pilot, *"why")
        await pilot.press("enter")
        await until(pilot, lambda: len(talking.asked) == 3)
        answered = {"role": "assistant", "content": "y^2"}
        assert talking.asked[-1].messages == [about, answered, {"role": "user", "content": "why"}]


async def test_text_alone_is_asked_of_a_model_that_learnt_from_text(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        assert "image" not in keys(pilot)
        await pilot.press("f9")
        assert not isinstance(pilot.app.screen, PathDialog)
