"""A prompt about a picture, in the chat of a run that learnt from images."""

from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image
from textual.events import Paste
from textual.widgets import Input

from cockpit.recipe.document import RecipeDocument
from cockpit.ui.screens.path_dialog import PathDialog
from cockpit.ui.widgets.chat_log import ChatLog
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.picture import half_blocks, shows_pictures
from cockpit.ui.widgets.prompt_field import PromptField, dropped_file
from tests.recording import RECIPE
from tests.ui.drawn import text_of
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


async def test_a_dropped_picture_is_asked_about_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    picture = tmp_path / "a red square.png"
    Image.new("RGB", (300, 300), (200, 10, 20)).save(picture)
    talking = Talking(tmp_path, recipe=about_images())
    async with talking.app.run_test(size=(120, 40)) as pilot:
        field, log = pilot.app.screen.query_one(PromptField), pilot.app.screen.query_one(ChatLog)
        was = field.text
        pilot.app.screen.post_message(Paste(f"'{picture}'"))
        await until(pilot, lambda: "about a red square.png" in titled(talking))
        assert field.text == was
        await pilot.press("enter")
        await until(pilot, lambda: sum("▀" * 32 in row for row in text_of(log)) == 16)
        assert "#c80a14" in pilot.app.export_screenshot()
        assert talking.asked[-1].messages[-1]["image"] == str(picture)
        talking.reply("A red square.")
        await until(pilot, lambda: "tokens/s" in shown(pilot)[-1])
        await pilot.app.switch_screen(talking.make())
        again = pilot.app.screen.query_one(ChatLog)
        assert again is not log
        await until(pilot, lambda: sum("▀" * 32 in row for row in text_of(again)) == 16)


@pytest.mark.parametrize(
    "wrong", ["a.txt", "gone.png", "'a b.png", "two.png words.png", "", "\\x00.png", "x" * 20_000 + ".png"]
)
def test_what_is_no_picture_is_pasted_as_text(tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").touch()
    assert dropped_file(wrong, (".png",)) == ""


def test_a_dropped_file_is_found_however_it_is_written(tmp_path: Path) -> None:
    picture = tmp_path / "a b.png"
    picture.touch()
    for written in (f"'{picture}' ", str(picture).replace(" ", "\\ "), f"file://{quote(str(picture))}\n"):
        assert dropped_file(written, (".png",)) == str(picture)
        assert dropped_file(written, ()) == "", "where no picture can be asked about"


def test_a_picture_keeps_its_shape_and_fits(tmp_path: Path) -> None:
    wide, tall = tmp_path / "wide.png", tmp_path / "tall.png"
    Image.new("RGBA", (400, 100)).save(wide)
    Image.new("RGB", (3, 5), "black").save(tall)
    rows = half_blocks(str(wide), 40, 10)
    assert [row.plain for row in rows] == ["▀" * 40] * 5
    assert {str(span.style) for row in rows for span in row.spans} == {"#ffffff on #ffffff"}, "nothing is seen as paper"
    small = half_blocks(str(tall), 40, 10)
    assert [row.plain for row in small] == ["▀▀▀"] * 3 and str(small[-1].spans[0].style) == "#000000 on #ffffff"
    assert half_blocks(str(tmp_path / "gone.png"), 40, 10) == []
    assert not shows_pictures("standard") and not shows_pictures(None)


async def test_text_alone_is_asked_of_a_model_that_learnt_from_text(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        assert "image" not in keys(pilot)
        await pilot.press("f9")
        assert not isinstance(pilot.app.screen, PathDialog)
