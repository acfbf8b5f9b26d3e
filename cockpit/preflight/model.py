"""Whether a model can be loaded on this machine: told from its files and from the GPU, before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from cockpit.data.inputs import Inputs
from cockpit.machine.installed import model_families
from cockpit.models.folder import ModelFolder
from cockpit.models.hub_cache import is_hub_name, is_offline
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.section import Conflict
from cockpit.recipe.validation import shown
from cockpit.text import numbers
from cockpit.text.plain_text import plain_line, plain_text

NAME = "model.name_or_path"
WHOLE_FOLDER = "give the folder with config.json, weights and tokenizer"
READY_MADE = {"nf4": "nf4", "fp4": "nf4", "int8": "int8"}
"""How bitsandbytes has quantised a folder -> model.quantization that loads it."""
NOT_TRAINABLE = ("gptq", "awq", "gguf", "exl2", "quip", "hqq", "eetq", "aqlm")


def of_model(recipe: Recipe, inputs: Inputs) -> Iterator[Conflict]:
    """What is wrong with the model that the recipe names."""
    wrong = list(of_place(recipe, inputs))
    yield from wrong
    if not wrong and inputs.model_path is not None and inputs.model is not None:
        yield from _of_folder(recipe, inputs.model, inputs.has_images)


def of_place(recipe: Recipe, inputs: Inputs) -> Iterator[Conflict]:
    """What is wrong with where the recipe's model should be: a name on the Hub, or a folder with a config.json."""
    name, path = recipe.model.name_or_path, inputs.model_path
    if inputs.model_error:
        yield Conflict(NAME, inputs.model_error, "")
    elif path is None:
        yield from _of_hub_name(name, inputs)
    elif inputs.model is None:
        there = "this is a file" if path.exists() else f"there is no such folder: {plain_line(name)}"
        hint = WHOLE_FOLDER
        if path.suffix == ".gguf":
            hint = "GGUF files cannot be trained; give the folder of the model that it was made from"
        yield Conflict(NAME, there, hint)
    elif not (path / "config.json").is_file():
        yield _no_config(path)
    elif recipe.model.revision is not None:
        yield Conflict("model.revision", "a model on this disk has no revisions", "leave it empty")


def _of_hub_name(name: str, inputs: Inputs) -> Iterator[Conflict]:
    if not is_hub_name(name):
        wrong = f"{shown(name)} is neither a folder here nor a name on the Hub"
        yield Conflict(NAME, wrong, "give a folder, a name as owner/name, or embedded:demo")
    elif is_offline() and inputs.model is None:
        wrong = "it is not in the Hub's cache here, and HF_HUB_OFFLINE disables downloading"
        yield Conflict(NAME, wrong, "give a model that is on this disk, or embedded:demo")


def _no_config(folder: Path) -> Conflict:
    if (folder / "adapter_config.json").is_file():
        wrong = "the folder holds an adapter, not a model"
        return Conflict(NAME, wrong, "give the model that the adapter was made for")
    if any(folder.glob("*.gguf")):
        wrong = "the folder holds a GGUF file, which cannot be trained"
        return Conflict(NAME, wrong, "give the folder of the model that it was made from")
    return Conflict(NAME, "the folder has no config.json", WHOLE_FOLDER)


def _of_folder(recipe: Recipe, folder: ModelFolder, images: bool) -> Iterator[Conflict]:
    if not folder.config:
        yield Conflict(NAME, "the folder's config.json cannot be read", "copy the model again")
        return
    kinds = folder.architectures
    writes = any(kind.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")) for kind in kinds)
    if folder.config.get("is_encoder_decoder") is True or (kinds and not writes):
        wrong = f"{shown(kinds[0]) if kinds else 'this model'} is no model that continues a text"
        yield Conflict(NAME, wrong, "give a causal language model, such as Qwen, Llama, Gemma or Mistral")
        return
    yield from _of_family(recipe, folder)
    yield from _of_weights(folder)
    yield from _of_quantization(recipe, folder)
    if recipe.lora.has_halves and recipe.finetuning_type == "lora" and folder.has_experts:
        wrong = f"{recipe.lora.init} begins with one layer's weights, and this model's experts are one weight together"
        yield Conflict("lora.init", wrong, "give default")
    if images and not folder.is_vision:
        yield Conflict(NAME, "the data has images, and this model reads text alone", "give a vision model")


def _of_family(recipe: Recipe, folder: ModelFolder) -> Iterator[Conflict]:
    """A family that the installed transformers does not know."""
    known = model_families()
    kind = folder.model_type
    if not kind or known is None or kind in known or recipe.model.trust_remote_code:
        return
    wrong = f"the installed transformers ({_version('transformers')}) does not know the family {shown(kind)}"
    right = "update transformers, or give another model"
    if folder.config.get("auto_map"):
        right = "update transformers, or run the code that comes with the model (model.trust_remote_code: true)"
    yield Conflict(NAME, wrong, right)


def _of_weights(folder: ModelFolder) -> Iterator[Conflict]:
    if not folder.weights:
        yield Conflict(NAME, "the folder has no weights (*.safetensors)", "copy the whole model")
    elif missing := folder.missing_shards():
        wrong = f"{numbers.count(len(missing))} of its weight files are missing ({plain_text(missing[0])})"
        yield Conflict(NAME, wrong, "copy the whole model")
    elif broken := folder.truncated_file():
        yield Conflict(NAME, f"{plain_line(broken)} is incomplete", "copy it again")


def _of_quantization(recipe: Recipe, folder: ModelFolder) -> Iterator[Conflict]:
    """Weights that are quantised already: how they can be loaded, if at all."""
    has, wanted = folder.quantized, recipe.model.quantization
    origin = "give the model that it was made from"
    if not has:
        return
    if has in NOT_TRAINABLE:
        yield Conflict(NAME, f"its weights are quantised by {has}, which cannot be trained here", origin)
    elif recipe.finetuning_type == "full":
        yield Conflict(
            "finetuning_type",
            f"its weights are {_word(has)}, and full trains every weight",
            f"give lora, or {origin[5:]}",
        )
    elif ready := READY_MADE.get(has):
        if wanted != ready:
            yield Conflict("model.quantization", f"the weights in this folder are {has} already", f"give {ready}")
    elif recipe.backend == "transformers" and has == "mxfp4" and wanted != "none":
        wrong = "its weights are mxfp4, which plain transformers trains as 16-bit weights only"
        yield Conflict("model.quantization", wrong, "give none, or unsloth as backend")
    elif recipe.backend == "transformers" and has != "mxfp4":
        wrong = f"its weights are quantised by {_word(has)}, which plain transformers cannot train"
        yield Conflict(NAME, wrong, f"{origin}, or unsloth as backend")


def _word(text: str) -> str:
    return plain_line(text)[:40]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "no version"
