"""The library: shipped recipes and the user's own, found by name or by path; all shipped ones are sound."""

from pathlib import Path

import pytest

from cockpit.paths import shipped_recipes_folder, user_recipes_folder
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.library import find_recipe, library
from cockpit.recipe.problem import RecipeError
from cockpit.recipe.schema import json_schema
from tests.recipe.sample import SAMPLE

SHIPPED = sorted(shipped_recipes_folder().rglob("*.yaml"))


def test_shipped_recipes_are_all_found() -> None:
    assert len(SHIPPED) == 24
    assert [entry.path for entry in library() if entry.origin == "shipped"] == sorted(
        SHIPPED, key=lambda path: (path.stem != "demo", path.stem)
    )
    assert library()[0].name == "demo"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipe_is_sound_and_names_its_schema(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# yaml-language-server: $schema=recipe.schema.json\n")
    document = RecipeDocument.load(path)
    assert document.problems() == []
    assert document.to_yaml() == text


def test_shipped_recipes_use_the_gpu_that_they_find() -> None:
    """The demos are for a CPU, and how completions are drawn is for nobody to fit."""
    fits = {path.stem: RecipeDocument.load(path).recipe().training.fit for path in SHIPPED}
    assert {name for name, fit in fits.items() if fit != "auto"} == {
        "demo",
        "demo-dpo",
        "demo-orpo",
        "demo-kto",
        "demo-grpo",
        "qwen3-0.6b-grpo",
    }


def test_shipped_schema_is_that_of_the_model() -> None:
    assert (shipped_recipes_folder() / "recipe.schema.json").read_text() == json_schema()


def own(name: str, text: str = SAMPLE) -> Path:
    path = user_recipes_folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_own_recipes_stand_before_the_shipped_ones() -> None:
    own("zebra.yaml")
    own("ant.yml")
    own("deep/er.yaml")
    own(".hidden.yaml")
    own("notes.txt")
    names = [(entry.name, entry.origin) for entry in library()]
    assert names[:4] == [("ant", "yours"), ("er", "yours"), ("zebra", "yours"), ("demo", "shipped")]


def test_a_file_is_read_when_it_is_asked_for() -> None:
    own("mine.yaml")
    entry = library()[0]
    assert (entry.is_read, entry.document is None, entry.is_read) == (False, False, True)
    assert entry.problems == []


def test_broken_recipes_are_on_the_shelf_with_their_problems() -> None:
    own("truncated.yaml", "schema: [1")
    own("wrong.yaml", SAMPLE.replace("r: 16", "r: 0"))
    truncated, wrong = library()[:2]
    assert truncated.document is None
    assert [problem.wrong for problem in truncated.problems] == ["a list is not closed"]
    assert wrong.document is not None
    assert [problem.field for problem in wrong.problems] == ["lora.r"]


def test_name_that_would_command_a_terminal_is_shown_plain() -> None:
    own("\x1b[31mred\x07.yaml")
    assert library()[0].name == "red"
    assert find_recipe("red").recipe().lora.r == 16


def test_find_by_name_by_path_and_own_before_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.yaml").write_text(SAMPLE)
    (tmp_path / "noending").write_text(SAMPLE)
    assert find_recipe("here.yaml").name == "here"
    assert find_recipe("noending").name == "noending"
    assert find_recipe("demo").path == shipped_recipes_folder() / "demo.yaml"
    mine = own("demo.yaml")
    assert find_recipe("demo").path == mine


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("demmo", "demmo: there is no recipe of this name; did you mean demo?"),
        ("x\x1b[2Jy", "xy: there is no recipe of this name; 'cockpit recipes' lists all recipes"),
        ("nowhere/x.yaml", "nowhere/x.yaml: there is no such file; 'cockpit recipes' lists all recipes"),
    ],
)
def test_recipe_that_is_not_there(name: str, said: str) -> None:
    with pytest.raises(RecipeError) as refused:
        find_recipe(name)
    assert str(refused.value) == said
