"""recipe -> the base model with its tokenizer or processor, by Unsloth or by plain transformers"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch

from cockpit.engine.compat.private_names import is_mapped
from cockpit.engine.errors import RunFailure
from cockpit.engine.model.lora_targets import AUDIO, VISION
from cockpit.engine.model.tokenizer import processor_of
from cockpit.models.folder import ModelFolder
from cockpit.recipe.recipe import Recipe

Say = Callable[[str], None]
"""Takes a sentence for the log pane."""

NO_BFLOAT16 = "This GPU has no bfloat16."


def load_by_unsloth(folder: ModelFolder, recipe: Recipe, say: Say, *, images: bool, full: bool) -> tuple[Any, Any]:
    """Model, and tokenizer or processor, by the class that the model and the data ask for. `full`: to train every
    weight. Raises what the stack raises."""
    settings = recipe.model
    tell_unfollowed(folder, recipe, say)
    loaded: tuple[Any, Any] = unsloth_class(folder.is_vision, images).from_pretrained(
        model_name=str(folder.path),
        max_seq_length=settings.max_seq_length,
        dtype=named_dtype(settings.dtype),
        load_in_4bit=settings.quantization == "nf4",
        load_in_8bit=settings.quantization == "int8",
        load_in_16bit=settings.quantization == "none" and not full,
        full_finetuning=full,
        trust_remote_code=settings.trust_remote_code,
        use_gradient_checkpointing=unsloth_checkpointing(recipe),
        random_state=recipe.lora.random_state,
        use_exact_model_name=True,
        **({"device_map": "balanced"} if _spreads(recipe) else {}),
    )
    return loaded


def tell_unfollowed(folder: ModelFolder, recipe: Recipe, say: Say) -> None:
    """Say which settings of nf4 the weights will not have: there may be no nf4 to set, files that are quantised already
    keep theirs, and Unsloth takes its own."""
    settings = recipe.model
    double: bool | None
    if settings.quantization != "nf4":
        double, compute, why = True, "auto", f"it is for nf4, and model.quantization is {settings.quantization}"
    elif folder.quantized:
        has, why = folder.config["quantization_config"], "the model's files are quantised already"
        double, compute = has.get("bnb_4bit_use_double_quant"), str(has.get("bnb_4bit_compute_dtype"))
    elif recipe.backend == "unsloth":
        double, compute = True, str(named_dtype(settings.dtype) or best_dtype()).removeprefix("torch.")
        why = "Unsloth quantises the scales too, and multiplies in the type of the other weights"
    else:
        return
    if double is not None and settings.bnb_4bit_use_double_quant != double:
        wanted = str(settings.bnb_4bit_use_double_quant).lower()
        say(f"model.bnb_4bit_use_double_quant: {wanted} is not followed: {why}.")
    if settings.bnb_4bit_compute_dtype not in ("auto", compute):
        say(f"model.bnb_4bit_compute_dtype: {settings.bnb_4bit_compute_dtype} is not followed: {why}.")


def unsloth_class(is_vision: bool, images: bool) -> Any:
    """Unsloth's entry: FastLanguageModel for text, FastModel for a vision model, FastVisionModel to train images."""
    import unsloth

    if not is_vision:
        return unsloth.FastLanguageModel
    return unsloth.FastVisionModel if images else unsloth.FastModel


def unsloth_checkpointing(recipe: Recipe) -> str | bool:
    """What Unsloth calls the recipe's way of gradient checkpointing."""
    mode = recipe.training.gradient_checkpointing
    return "unsloth" if mode == "unsloth" else mode != "none"


def load_with_transformers(
    folder: ModelFolder, recipe: Recipe, say: Say, *, images: bool, full: bool
) -> tuple[Any, Any]:
    """Model, and tokenizer or processor, by transformers' own classes. `full`: to train every weight. Raises what the
    stack raises."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer

    settings = recipe.model
    tell_unfollowed(folder, recipe, say)
    common = {"trust_remote_code": settings.trust_remote_code}
    config = AutoConfig.from_pretrained(folder.path, **common)
    to_images = folder.is_vision and _has_class(AutoModelForImageTextToText, config)
    auto = AutoModelForImageTextToText if to_images else AutoModelForCausalLM
    dtype = named_dtype(settings.dtype) or best_dtype()
    if full and dtype == torch.float16:
        dtype = torch.float32  # a gradient scaler, which float16 needs, takes no weights in 16 bits
    model = auto.from_pretrained(
        folder.path,
        dtype=dtype,
        device_map=_placed(recipe),
        **_quantization(folder, recipe, images, dtype),
        **common,
    )
    processor = processor_of(folder.path, settings.trust_remote_code) if folder.is_vision else None
    return model, processor or AutoTokenizer.from_pretrained(folder.path, padding_side="right", **common)


def _placed(recipe: Recipe) -> Any:
    """Where the weights go, as from_pretrained takes it. Those that are sharded go to the GPUs layer by layer, unless
    they are quantised, which a GPU does."""
    if not torch.cuda.is_available() or (recipe.hardware.is_sharded and recipe.model.quantization == "none"):
        return "cpu"
    return "balanced" if _spreads(recipe) else {"": 0}


def _spreads(recipe: Recipe) -> bool:
    """Whether layers go to several GPUs; what was trained so may be asked where there is only one, or none."""
    return recipe.hardware.is_spread and torch.cuda.device_count() > 1


def _has_class(auto: Any, config: Any) -> bool:
    """Whether transformers, or the model's own code, has such a class for the model."""
    return is_mapped(auto, config) or auto.__name__ in (getattr(config, "auto_map", None) or {})


def _quantization(folder: ModelFolder, recipe: Recipe, images: bool, dtype: torch.dtype) -> dict[str, Any]:
    """Arguments of from_pretrained; none where the files are quantised as they are to be used."""
    from transformers import BitsAndBytesConfig, Mxfp4Config

    settings = recipe.model
    if folder.quantized == "mxfp4":
        return {"quantization_config": Mxfp4Config(dequantize=True)}  # its kernels have no backward
    if folder.quantized or settings.quantization == "none":
        return {}
    kept = _kept_whole(recipe, images)
    if settings.quantization == "int8":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=kept)}
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=settings.bnb_4bit_use_double_quant,
            bnb_4bit_compute_dtype=named_dtype(settings.bnb_4bit_compute_dtype) or dtype,
            # Only what is stored as numbers of that kind can be shared among ranks.
            **({"bnb_4bit_quant_storage": dtype} if recipe.hardware.is_sharded else {}),
            llm_int8_skip_modules=kept,
        )
    }


def _kept_whole(recipe: Recipe, images: bool) -> list[str] | None:
    """Patterns of layers that are not quantised: those trained whole and, to train images, those that see. None for
    the stack's own choice, which is the head."""
    kept = [rf".*{re.escape(name)}$" for name in recipe.lora.modules_to_save]
    if images:
        kept.append(f".*({'|'.join((*VISION, *AUDIO))})")
    return ["lm_head", ".*lm_head$", *kept] if kept else None


def named_dtype(name: str) -> torch.dtype | None:
    """The type that a recipe names; None for auto. Raises RunFailure for bfloat16 on a GPU without it."""
    if name == "auto":
        return None
    if name == "bfloat16" and torch.cuda.is_available() and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise RunFailure(NO_BFLOAT16, "Set model.dtype to auto or float16.")
    return {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}[name]


def best_dtype() -> torch.dtype:
    """bfloat16 where the GPU has it, float16 on an older one, float32 on the CPU."""
    if not torch.cuda.is_available():
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
