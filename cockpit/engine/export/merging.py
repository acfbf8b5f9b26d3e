"""base + adapter -> one model in a folder, as any loader takes it"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from cockpit.engine.compat.private_names import drop_weight_conversions
from cockpit.engine.errors import RunFailure, is_out_of_memory
from cockpit.engine.export.whole_model import carry_tokenizer_sources, write_turn_ends
from cockpit.engine.hub.models import folder_of
from cockpit.engine.model.savable import mend_generation_config
from cockpit.engine.model.saved_files import finish_saved
from cockpit.engine.model.weights_report import load_error, weights_report
from cockpit.engine.stack import import_stack
from cockpit.launch.export_form import ExportForm, needed_bytes
from cockpit.models.folder import ModelFolder
from cockpit.preflight.model import READY_MADE
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir
from cockpit.text.numbers import size

Say = Callable[[str], None]
OF_ADAPTER = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "README.md",
    "training_args.bin",
    "SHA256SUMS",
)
"""Files of an adapter's folder that have no place beside a whole model; the others are tokenizer and processor."""


def merge(run: RunDir, recipe: Recipe, place: Path, form: str, task: Say, say: Say) -> None:
    """Write the run's result into `place`, which may be there, as `form` (merged-16bit, merged-fp8 or merged-4bit).

    By Unsloth where the recipe's backend is Unsloth and a GPU is there; else by plain peft. Raises RunFailure.
    """
    place.mkdir(parents=True, exist_ok=True)
    to_fp8, form = form == "merged-fp8", form.replace("fp8", "16bit")
    by_unsloth = _is_unsloths(run, recipe, form)
    if recipe.lora.loftq_config is not None and run.result == run.adapter:
        if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
            raise RunFailure("LoftQ rounds the base again when it is merged, which needs a GPU.", "Export the adapter.")
    elif not by_unsloth:
        # Before torch is imported: plain peft merges in the machine's memory, where there is more of it.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    task("importing the training stack")
    if by_unsloth:
        import_stack("unsloth")
        merge_by_unsloth(run, recipe, place, form, task, say)
    else:
        merge_with_peft(run, recipe, place, task, say)
    finish_saved(place)
    with contextlib.suppress(RunFailure):  # a model that was trained whole needs no base on this disk
        carry_tokenizer_sources(folder_of(recipe.model), place, say)
    write_turn_ends(place, trust_remote_code=recipe.model.trust_remote_code)
    if to_fp8:
        from cockpit.engine.export.fp8 import round_to_fp8

        task("rounding it to 8-bit floats")
        round_to_fp8(place, trust_remote_code=recipe.model.trust_remote_code)


def _is_unsloths(run: RunDir, recipe: Recipe, form: str) -> bool:
    """Whether Unsloth merges. The GPU is told by the environment, as Unsloth must be imported before torch is asked."""
    sees_gpu = os.environ.get("CUDA_VISIBLE_DEVICES") != ""
    if recipe.backend != "unsloth" or not sees_gpu or run.result != run.adapter:
        return False
    if recipe.model.add_tokens and form == "merged-16bit":
        return False  # Unsloth merges into the base's files, which have no rows for new tokens
    if recipe.lora.loftq_config is not None:
        return False  # the adapter belongs to the base as LoftQ has rounded it, not to the base's files
    # Unsloth merges 16 bits into the files of the base, and refuses files that are quantised themselves.
    return form == "merged-4bit" or ModelFolder.at(folder_of(recipe.model)).quantized not in READY_MADE


def merge_by_unsloth(run: RunDir, recipe: Recipe, place: Path, form: str, task: Say, say: Say) -> None:
    """As `merge`, by Unsloth, which is imported already."""
    from unsloth.save import patch_saving_functions

    from cockpit.engine.model.loading import load_for_chat

    task("loading base and adapter")
    loaded = load_for_chat(recipe, run.adapter, say)
    # Its 4-bit form rounds, and is asked for by a word that says so.
    method = "merged_16bit" if form == "merged-16bit" else "merged_4bit_forced"
    if form == "merged-4bit":
        say("merged-4bit rounds the merged weights: a small change that was learnt can be lost.")
    task("merging")
    # Unsloth gives its ways of saving to models that it has made itself; this adapter was put on by peft.
    patch_saving_functions(loaded.model, vision=loaded.processor is not None)
    loaded.model.save_pretrained_merged(str(place), loaded.processor or loaded.tokenizer, save_method=method)


def merge_with_peft(run: RunDir, recipe: Recipe, place: Path, task: Say, say: Say) -> None:
    _refuse_without_memory(run, recipe)
    task("loading the base in 16 bits")
    result = run.result
    assert result is not None
    model = _base(recipe, result if result == run.model else None, say)
    if result == run.adapter:
        from cockpit.engine.model.adapter import attached

        task("merging")
        model = attached(model, result, recipe).merge_and_unload()
    task("saving the merged model")
    model.save_pretrained(str(place))
    for path in result.iterdir():
        is_extra = path.suffix != ".safetensors" and path.name not in OF_ADAPTER and "index" not in path.name
        if path.is_file() and is_extra and not (place / path.name).exists():
            shutil.copy2(path, place / path.name)


def _refuse_without_memory(run: RunDir, recipe: Recipe) -> None:
    needed = needed_bytes(recipe, run, ExportForm("merged-16bit", "merged-16bit"))
    free = psutil.virtual_memory().available + psutil.swap_memory().free
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "" and needed is not None and needed > free:
        raise RunFailure(
            f"Merging needs {size(needed)} of memory for the base in 16 bits, and {size(free)} are free.",
            "Free some, or export the adapter alone.",
        )


def _base(recipe: Recipe, whole: Path | None, say: Say) -> Any:
    """The base, or the model in `whole`, in 16 bits, whatever it was trained in. Raises RunFailure."""
    from cockpit.engine.model.base_model import load_with_transformers
    from cockpit.engine.model.loading import unshared

    dtype = "float16" if recipe.model.dtype == "float16" else "bfloat16"
    settings = recipe.model.model_copy(update={"quantization": "none", "dtype": dtype})
    plain = unshared(recipe.model_copy(update={"backend": "transformers", "model": settings}))
    with weights_report() as report:
        try:
            model, _ = load_with_transformers(
                ModelFolder.at(whole or folder_of(settings)), plain, say, images=False, full=False
            )
        except RunFailure:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise RunFailure(f"The base cannot be loaded: {report.wrong() or load_error(error)}") from error
    if wrong := report.wrong():
        raise RunFailure(
            f"The base cannot be loaded by plain transformers: {wrong}.", "The adapter itself can be exported."
        )
    if getattr(model, "is_quantized", False):
        model = model.dequantize()
    _forget_quantised_files(model)
    mend_generation_config(model, say)
    return model


def _forget_quantised_files(model: Any) -> None:
    """transformers writes weights as the files had them that they were read from, and has no way back to quantised
    ones: those conversions are left out."""

    def can_go_back(conversion: Any) -> bool:
        try:
            conversion.reverse_transform()
        except NotImplementedError:
            return False
        return True

    drop_weight_conversions(model, keep=can_go_back)
