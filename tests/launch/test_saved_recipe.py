"""A folder to chat with: how it is loaded is told by its own files, and its recipe says so."""

import json
from pathlib import Path

import pytest

from cockpit.launch.saved_recipe import recipe_of
from cockpit.models.saved_folder import SavedFolder
from cockpit.recipe.document import RecipeDocument, resolved_yaml


@pytest.mark.parametrize("revision", ["v1", None])
def test_an_adapter_is_put_on_the_revision_that_it_was_trained_on(tmp_path: Path, revision: str | None) -> None:
    config = {"base_model_name_or_path": "owner/name", "revision": revision}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    recipe = RecipeDocument.parse(resolved_yaml(recipe_of(SavedFolder(tmp_path))), "recipe.yaml").recipe()
    assert (recipe.model.name_or_path, recipe.model.revision) == ("owner/name", revision)


@pytest.mark.parametrize(
    ("kind", "backend", "quantization"), [("gpt_oss", "unsloth", "nf4"), ("llama", "transformers", "none")]
)
def test_a_base_that_only_unsloth_reads(tmp_path: Path, kind: str, backend: str, quantization: str) -> None:
    (tmp_path / "base").mkdir()
    quantised = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    (tmp_path / "base" / "config.json").write_text(json.dumps({"model_type": kind, "quantization_config": quantised}))
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path / "base")}))
    recipe = RecipeDocument.parse(resolved_yaml(recipe_of(SavedFolder(tmp_path))), "recipe.yaml").recipe()
    assert (recipe.backend, recipe.model.quantization) == (backend, quantization)
