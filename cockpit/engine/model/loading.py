"""recipe -> model and tokenizer or processor (unsloth, or plain transformers + peft)"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from cockpit.data.inputs import trains_images
from cockpit.engine.compat.private_names import limit_recompiling, without_flex_attention
from cockpit.engine.errors import RunFailure, first_line, is_out_of_memory
from cockpit.engine.hub.models import folder_of
from cockpit.engine.model import adapter as lora
from cockpit.engine.model.base_model import Say, load_by_unsloth, load_with_transformers, unsloth_class
from cockpit.engine.model.going_on import go_on_by_unsloth, go_on_with_peft
from cockpit.engine.model.lora_targets import unknown_names
from cockpit.engine.model.new_rows import make_rows, save_only_what_is_trained
from cockpit.engine.model.new_tokens import (
    NewToken,
    add_to_tokenizer,
    note_for_card,
    starting_adapter,
    tell_new_tokens,
)
from cockpit.engine.model.savable import check_savable, mend_generation_config
from cockpit.engine.model.tokenizer import as_trained, processor_of
from cockpit.engine.model.weights_report import load_error, weights_report
from cockpit.models.folder import TOKENIZERS, ModelFolder
from cockpit.paths import local_path
from cockpit.recipe.model import Hardware
from cockpit.recipe.recipe import Recipe
from cockpit.runs.checksums import damage
from cockpit.runs.starting_adapter import without_starting_adapter
from cockpit.text.plain_text import plain_line


@dataclass(frozen=True)
class Loaded:
    """A model that can be trained and asked. `context_tokens` is the longest text it is prepared for."""

    model: Any
    tokenizer: Any
    context_tokens: int
    backend: str
    processor: Any = None
    """What makes images and text into inputs, of a vision model; its tokenizer is `tokenizer`."""
    adapted: bool = True
    """Whether an adapter is trained, which can be switched off to hear the base; else every weight is."""
    card_note: str = ""
    """What the card of the adapter must say besides, as Markdown."""
    is_sharded: bool = False
    """Whether each of several ranks has a share of the weights once it trains."""

    @property
    def device(self) -> torch.device:
        """Where the model's inputs go: the GPU where any weight is there. Where its memory is scarce, Unsloth keeps the
        embeddings, the first of the weights, in the machine's memory."""
        if self.is_sharded and torch.cuda.is_available():
            return torch.device("cuda", 0)  # where the shares of what was read into the machine's memory go
        devices = [parameter.device for parameter in self.model.parameters()]
        return next((device for device in devices if device.type == "cuda"), devices[0])


def load_for_training(recipe: Recipe, say: Say) -> Loaded:
    """The base with a fresh adapter, or with every weight to be trained. Raises RunFailure where it cannot be had."""
    folder = ModelFolder.at(folder_of(recipe.model))
    images = trains_images(recipe)
    full = recipe.finetuning_type == "full"
    model, tokenizer, processor, tokens = _load(folder, recipe, say, images=images, full=full)
    if images and processor is None:
        raise RunFailure(
            "The data has images, and this model has no image processor (preprocessor_config.json).",
            "Give a vision model, with all of its files.",
        )
    check_savable(model, processor or tokenizer, whole=full, name=recipe.model.name_or_path)
    if full and recipe.backend == "transformers":
        model.requires_grad_(True)  # Unsloth has chosen what it trains while it loaded
    elif not full:
        if recipe.model.adapter is None:
            _check_names(model, recipe, say)
        model = _adapted(model, recipe, folder, images, tokens)
    tell_new_tokens(model, tokens, say, full=full)
    loaded = _loaded(model, tokenizer, recipe, processor, adapted=not full)
    return replace(loaded, card_note=note_for_card(model, tokens, folder), is_sharded=recipe.hardware.is_sharded)


def load_for_chat(recipe: Recipe, saved: Path, say: Say) -> Loaded:
    """What a run has saved in the folder `saved`: an adapter on its base, or a whole model. Raises RunFailure."""
    from transformers import AutoTokenizer

    refuse_damage(saved)
    recipe = unshared(without_starting_adapter(recipe))
    if not (saved / "adapter_config.json").is_file():
        model, tokenizer, processor, _ = _load(ModelFolder.at(saved), recipe, say)
        return _loaded(model, tokenizer, recipe, processor, adapted=False)
    model, tokenizer, processor, _ = _load(ModelFolder.at(folder_of(recipe.model)), recipe, say)
    try:
        if not any((saved / name).is_file() for name in TOKENIZERS):
            say("The adapter's folder has no tokenizer: that of its base is used.")
        else:
            tokenizer = AutoTokenizer.from_pretrained(saved, trust_remote_code=recipe.model.trust_remote_code)
    except (OSError, ValueError, RuntimeError) as error:
        raise RunFailure(f"The saved tokenizer cannot be loaded: {first_line(error)}") from error
    model = lora.attached(model, saved, recipe)
    if processor is not None:
        processor.tokenizer = tokenizer
    return _loaded(model, tokenizer, recipe, processor)


def unshared(recipe: Recipe) -> Recipe:
    """The recipe for one process, which has all weights."""
    if not recipe.hardware.is_sharded:
        return recipe
    alone = recipe.hardware.model_copy(update={"devices": 1, "nodes": 1})
    return recipe.model_copy(update={"hardware": alone})


def refuse_damage(saved: Path) -> None:
    """Raises RunFailure where a file that a run has saved is not as it was written."""
    if wrong := damage(saved):
        raise RunFailure(
            f"The {saved.name} cannot be trusted: {wrong}.", "Resume the run to save it anew, or copy it again."
        )


def for_inference(loaded: Loaded) -> None:
    """Make the model ready to answer, with the adapter and without it."""
    bring_back(loaded.model, loaded.device)
    if loaded.backend == "unsloth":
        unsloth_class(loaded.processor is not None, False).for_inference(loaded.model)
        without_flex_attention(loaded.model.get_base_model() if loaded.adapted else loaded.model)
        return
    loaded.model.eval()
    loaded.model.gradient_checkpointing_disable()
    loaded.model.config.use_cache = True


def bring_back(model: Any, device: torch.device) -> None:
    """Put layers of the base where the inputs go, of which only a trained copy was there: Unsloth moves these to the
    disk, and the base's own answers need them. Where there is no room they stay."""
    try:
        for module in model.modules():
            if isinstance(original := getattr(module, "original_module", None), torch.nn.Module):
                original.to(device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        torch.cuda.empty_cache()


def _load(
    folder: ModelFolder, recipe: Recipe, say: Say, *, images: bool = False, full: bool = False
) -> tuple[Any, Any, Any, list[NewToken]]:
    """Model, tokenizer, processor or None, and the tokens that the recipe adds, for which both have room."""
    on_cpu = not torch.cuda.is_available()
    limit_compiling(recipe.hardware, say)
    if recipe.model.quantization == "int8" and on_cpu:
        raise RunFailure("int8 needs a GPU.", "Set model.quantization to none or nf4.")
    load = load_by_unsloth if recipe.backend == "unsloth" else load_with_transformers
    name = plain_line(recipe.model.name_or_path)
    with weights_report() as report:
        try:
            model, processing = load(folder, recipe, say, images=images, full=full)
        except RunFailure:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise RunFailure(
                f"The model {name} cannot be loaded: {report.wrong() or load_error(error)}",
                "model.name_or_path is a folder with config.json, weights and tokenizer, or a name on the Hub.",
            ) from error
    if wrong := report.wrong():
        raise RunFailure(f"The model {name} is incomplete: {wrong}.", "Copy the whole model again.")
    mend_generation_config(model, say)
    processor = processing if hasattr(processing, "image_processor") else None
    if processor is None and folder.is_vision:
        processor = processor_of(folder.path, recipe.model.trust_remote_code)
    tokenizer = getattr(processor or processing, "tokenizer", processing)
    tokenizer = as_trained(tokenizer, processor, recipe, recipe.backend)
    tokens = add_to_tokenizer(tokenizer, recipe)
    make_rows(model, tokens)
    if on_cpu:
        _keep_trainable_layout(model)
    return model, tokenizer, processor, tokens


def _check_names(model: Any, recipe: Recipe, say: Say) -> None:
    """Say which layers will get no adapter as the model has none of that name. Raises RunFailure for modules_to_save:
    weights that are not trained are not missed before the run is over."""
    targets, whole = unknown_names(model, recipe.lora)
    if whole:
        raise RunFailure(
            f"No layer of this model is called {', '.join(whole)}, which lora.modules_to_save names.",
            "Take it out, or name a layer such as lm_head or embed_tokens.",
        )
    if targets and len(targets) < len(recipe.lora.target_modules):  # where none fits, PEFT ends the run
        names = ", ".join(targets)
        say(f"lora.target_modules: no layer of this model is called {names}; only the others get an adapter.")


def _adapted(model: Any, recipe: Recipe, folder: ModelFolder, images: bool, tokens: list[NewToken]) -> Any:
    found = starting_adapter(recipe) if recipe.model.adapter is not None else None
    if found is not None:
        refuse_damage(found.path)
    try:
        if found is not None and recipe.backend == "unsloth":
            model = go_on_by_unsloth(model, recipe, found, is_vision=folder.is_vision, images=images)
        elif found is not None:
            model = go_on_with_peft(model, recipe, found)
        elif recipe.backend == "unsloth":
            model = lora.add_by_unsloth(model, recipe, tokens, is_vision=folder.is_vision, images=images)
        else:
            model = lora.add_with_peft(model, recipe, tokens, is_vision=folder.is_vision)
    except ImportError as error:
        raise RunFailure(f"The adapter cannot be made: {first_line(error)}", "Install it.") from error
    except (ValueError, TypeError, NotImplementedError, AssertionError) as error:
        raise RunFailure(
            f"The adapter does not fit the model: {first_line(error)}",
            "lora.target_modules must name layers of this model; all-linear takes every linear one.",
        ) from error
    if tokens:
        save_only_what_is_trained(model)
    name = recipe.model.name_or_path
    if local_path(name) is None and not name.startswith("embedded:"):
        for config in model.peft_config.values():
            # The name, which means the same elsewhere, in place of the cache's folder.
            config.base_model_name_or_path, config.revision = name, recipe.model.revision
    return model


def _loaded(model: Any, tokenizer: Any, recipe: Recipe, processor: Any, *, adapted: bool = True) -> Loaded:
    text_config = model.config.get_text_config()
    positions = getattr(text_config, "max_position_embeddings", None) or recipe.model.max_seq_length
    context = min(recipe.model.max_seq_length, int(positions))
    return Loaded(model, tokenizer, context, recipe.backend, processor, adapted)


def limit_compiling(hardware: Hardware, say: Say) -> None:
    """How often torch may compile one function again, and all of them together. Says so where it compiles nothing."""
    for name in ("cache_size_limit", "accumulated_cache_size_limit"):
        limit = getattr(hardware, f"dynamo_{name}")
        if limit is None:
            continue
        limit_recompiling(name, limit)
        if not hardware.compile:
            say(f"hardware.dynamo_{name}: {limit} is not followed: hardware.compile is false, so nothing is compiled.")


def _keep_trainable_layout(model: Any) -> None:
    """bitsandbytes repacks a 4-bit layer for the CPU at its first forward without gradients, and its backward is wrong
    from then on; layers that are told so stay as they are."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
