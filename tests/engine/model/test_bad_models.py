"""Models that only their loading shows to be broken: one clear sentence each, and never a model that is half random."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.engine.errors import RunFailure
from cockpit.engine.model.loading import load_for_training
from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny


def config(**changes: object) -> Callable[[Path], None]:
    """Changes config.json."""

    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def without(name: str) -> Callable[[Path], None]:
    """Takes one tensor out of the weights."""

    def change(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / "model.safetensors")
        del tensors[name]
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    return change


def junk_bin(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"junk")


def truncated_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"version": ')


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (config(hidden_size=32), "cannot be loaded: its weights have other shapes than its config.json says ("),
        (
            without("model.layers.1.mlp.up_proj.weight"),
            "is incomplete: its files lack weights that its config.json asks for (model.layers.1.mlp.up_proj.weight).",
        ),
        (config(hidden_act="nope"), "cannot be loaded: its config.json names 'nope', which transformers does not know"),
        (config(num_hidden_layers="two"), "cannot be loaded: Validation error for field 'num_hidden_layers': "),
        (config(num_hidden_layers=4), "cannot be loaded: Class validation error for validator 'validate_layer_type': "),
        (config(model_type="qwen99"), "has model type `qwen99` but Transformers does not recognize this architecture."),
        (truncated_tokenizer, "cannot be loaded: one of its JSON files is broken ("),
        (junk_bin, "cannot be loaded: its weights cannot be read ("),
    ],
)
def test_broken_models(model: Path, rows: Path, tmp_path: Path, broken: Callable[[Path], None], sentence: str) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(model, folder)
    broken(folder)
    recipe = RecipeDocument.parse(tiny.recipe_text(folder, rows, backend="transformers"), "recipe.yaml").recipe()
    with pytest.raises(RunFailure) as failed:
        load_for_training(recipe, lambda _: None)
    assert str(failed.value).startswith(f"The model {folder} ")
    assert sentence in str(failed.value)
    assert "\n" not in str(failed.value)


def test_older_bin_weights_load(model: Path, rows: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    folder = tmp_path / "older"
    shutil.copytree(model, folder)
    tensors = load_file(folder / "model.safetensors")
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    recipe = RecipeDocument.parse(tiny.recipe_text(folder, rows, backend="transformers"), "recipe.yaml").recipe()
    loaded = load_for_training(recipe, lambda _: None)
    assert torch.equal(loaded.model.get_input_embeddings().weight, tensors["model.embed_tokens.weight"])
