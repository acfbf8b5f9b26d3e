"""Models that are not here are known by the shipped table: every model that a shipped recipe names is in it."""

import json
from pathlib import Path

import pytest

from cockpit.models.published import described
from cockpit.models.shape import ModelShape
from cockpit.paths import shipped_recipes_folder
from cockpit.recipe.document import RecipeDocument

SHIPPED = sorted(shipped_recipes_folder().glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_recipe_has_a_model_whose_shape_is_known(path: Path) -> None:
    model = described(RecipeDocument.load(path).recipe().model.name_or_path)
    assert model is not None
    shape = ModelShape.of(model.config)
    assert shape is not None and shape.parameters > 1_000_000


def test_models_that_are_published_in_four_bits_say_so() -> None:
    assert [name for name in json.loads((shipped_recipes_folder() / "models.json").read_text()) if "bnb" in name] == [
        "unsloth/gemma-3-4b-it-bnb-4bit",
        "unsloth/gpt-oss-20b-unsloth-bnb-4bit",
        "unsloth/llama-3-8b-bnb-4bit",
    ]
    ready = described("unsloth/llama-3-8b-bnb-4bit")
    assert ready is not None and ready.quantized == "nf4" and not ready.weights


def test_a_folder_speaks_for_itself(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    found = described(str(tmp_path))
    assert found is not None and found.config == {"model_type": "llama"}


@pytest.mark.parametrize("name", ["somebody/else", "/no/such/folder", "embedded:nothing", "not a name\0"])
def test_what_nobody_knows_is_not_described(name: str) -> None:
    assert described(name) is None
