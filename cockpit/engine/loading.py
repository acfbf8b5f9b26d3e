"""recipe -> model and tokenizer (unsloth, or plain transformers + peft)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.pytorch_utils import Conv1D

from cockpit.engine.ending import RunFailure, first_line, is_out_of_memory
from cockpit.plain_text import plain_text
from cockpit.recipe.embedded import resolve
from cockpit.recipe.lora import Lora
from cockpit.recipe.model import Hardware
from cockpit.recipe.recipe import Recipe

ATTENTION = ("self_attn", "attention", "attn")
FEED_FORWARD = ("mlp", "feed_forward", "ffn", "dense")

Say = Callable[[str], None]
"""Takes a sentence for the log pane."""


@dataclass(frozen=True)
class Loaded:
    """A base model with its adapter. `context_tokens` is the longest text it is prepared for."""

    model: Any
    tokenizer: Any
    context_tokens: int
    backend: str

    @property
    def device(self) -> torch.device:
        """Where the model's inputs go."""
        return next(self.model.parameters()).device


def load_for_training(recipe: Recipe, say: Say) -> Loaded:
    """The base with a fresh adapter. Raises RunFailure where the model cannot be had."""
    if recipe.finetuning_type != "lora":
        raise RunFailure("This version trains LoRA adapters only.", "Set finetuning_type to lora.")
    model, tokenizer = _load_base(recipe, say)
    add = _add_unsloth_adapter if recipe.backend == "unsloth" else _add_plain_adapter
    try:
        model = add(model, recipe)
    except ValueError as error:
        raise RunFailure(
            f"The adapter does not fit the model: {first_line(error)}",
            "lora.target_modules must name layers of this model; all-linear takes every linear one.",
        ) from error
    return _loaded(model, tokenizer, recipe)


def load_for_chat(recipe: Recipe, adapter: Path, say: Say) -> Loaded:
    """The base with the adapter and the tokenizer that a run has saved in `adapter`. Raises RunFailure."""
    from peft import PeftModel
    from transformers import AutoTokenizer

    model, _ = _load_base(recipe, say)
    try:
        tokenizer = AutoTokenizer.from_pretrained(adapter)
        model = PeftModel.from_pretrained(model, str(adapter))
    except (OSError, ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise RunFailure(f"The saved adapter cannot be loaded: {first_line(error)}") from error
    return _loaded(model, tokenizer, recipe)


def for_inference(loaded: Loaded) -> None:
    """Make the model ready to answer."""
    if loaded.backend == "unsloth":
        from unsloth import FastLanguageModel

        FastLanguageModel.for_inference(loaded.model)
        return
    loaded.model.eval()
    loaded.model.gradient_checkpointing_disable()
    loaded.model.config.use_cache = True


def _load_base(recipe: Recipe, say: Say) -> tuple[Any, Any]:
    name = resolve(recipe.model.name_or_path)
    on_cpu = not torch.cuda.is_available()
    _limit_compiling(recipe.hardware)
    if recipe.model.quantization == "int8" and on_cpu:
        raise RunFailure("int8 needs a GPU.", "Set model.quantization to none or nf4.")
    load = _load_by_unsloth if recipe.backend == "unsloth" else _load_plainly
    try:
        model, processing = load(name, recipe, say)
    except (OSError, ValueError) as error:
        raise RunFailure(
            f"The model {plain_text(recipe.model.name_or_path, keep_newlines=False)} cannot be loaded: "
            f"{first_line(error)}",
            "model.name_or_path is a folder with config.json, weights and tokenizer, or a name on the Hub.",
        ) from error
    tokenizer = getattr(processing, "tokenizer", processing)
    if not getattr(tokenizer, "is_fast", False):
        raise RunFailure("This model has only a slow tokenizer, which does not say where its tokens stand in the text.")
    if recipe.data.chat_template != "model":
        tokenizer = _with_template(tokenizer, recipe)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if on_cpu:
        _keep_trainable_layout(model)
    return model, tokenizer


def _load_by_unsloth(name: str, recipe: Recipe, say: Say) -> tuple[Any, Any]:
    from transformers import AutoConfig

    settings = recipe.model
    if settings.quantization == "nf4" and not settings.bnb_4bit_use_double_quant:
        say("Unsloth always quantises the scales of nf4 too; bnb_4bit_use_double_quant: false is not followed.")
    config = AutoConfig.from_pretrained(name, revision=settings.revision, trust_remote_code=settings.trust_remote_code)
    loaded: tuple[Any, Any] = _fast_class(config).from_pretrained(
        model_name=name,
        max_seq_length=settings.max_seq_length,
        dtype=_dtype(settings.dtype),
        load_in_4bit=settings.quantization == "nf4",
        load_in_8bit=settings.quantization == "int8",
        load_in_16bit=settings.quantization == "none",
        revision=settings.revision,
        trust_remote_code=settings.trust_remote_code,
        use_gradient_checkpointing=_unsloth_checkpointing(recipe),
        random_state=recipe.lora.random_state,
    )
    return loaded


def _add_unsloth_adapter(model: Any, recipe: Recipe) -> Any:
    lora, extra = recipe.lora, {}
    targets: str | list[str] = lora.target_modules
    if _sees(model.config):
        extra["finetune_vision_layers"] = lora.finetune_vision_layers
        extra["finetune_language_layers"] = lora.finetune_language_layers
        extra["finetune_attention_modules"] = lora.finetune_attention_modules
        extra["finetune_mlp_modules"] = lora.finetune_mlp_modules
    else:
        targets = text_targets(model, lora)
    if lora.use_dora:
        extra["use_dora"] = True
    return _fast_class(model.config).get_peft_model(
        model,
        r=lora.r,
        target_modules=targets,
        lora_alpha=lora.lora_alpha,
        lora_dropout=lora.lora_dropout,
        bias=lora.bias,
        use_gradient_checkpointing=_unsloth_checkpointing(recipe),
        random_state=lora.random_state,
        use_rslora=lora.use_rslora,
        modules_to_save=lora.modules_to_save or None,
        **extra,
    )


def _load_plainly(name: str, recipe: Recipe, say: Say) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    settings = recipe.model
    common = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    dtype = _dtype(settings.dtype) or _best_dtype()
    quantization: dict[str, Any] = {}
    if settings.quantization == "nf4":
        quantization["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=settings.bnb_4bit_use_double_quant,
            bnb_4bit_compute_dtype=_dtype(settings.bnb_4bit_compute_dtype) or dtype,
        )
    elif settings.quantization == "int8":
        quantization["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True)
    device = "cpu" if not torch.cuda.is_available() else {"": 0}
    model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype, device_map=device, **common, **quantization)
    return model, AutoTokenizer.from_pretrained(name, padding_side="right", **common)


def _add_plain_adapter(model: Any, recipe: Recipe) -> Any:
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    lora, checkpointing = recipe.lora, recipe.training.gradient_checkpointing != "none"
    if recipe.model.quantization != "none":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=checkpointing)
    torch.manual_seed(lora.random_state)
    return get_peft_model(
        model,
        LoraConfig(
            r=lora.r,
            lora_alpha=lora.lora_alpha,
            lora_dropout=lora.lora_dropout,
            bias=lora.bias,
            target_modules=text_targets(model, lora),
            modules_to_save=lora.modules_to_save or None,
            use_rslora=lora.use_rslora,
            use_dora=lora.use_dora,
            task_type="CAUSAL_LM",
        ),
    )


def text_targets(model: Any, lora: Lora) -> str | list[str]:
    """The layers that the recipe names, without those whose kind (attention, feed-forward) it leaves out.

    Raises RunFailure where none is left.
    """
    kinds = {
        "attention": lora.finetune_attention_modules,
        "feed-forward": lora.finetune_mlp_modules,
        "": True,
    }
    if lora.finetune_language_layers and all(kinds.values()):
        return lora.target_modules
    names = [name for name, module in model.named_modules() if isinstance(module, (torch.nn.Linear, Conv1D))]
    named = [name for name in names if _is_named(name, lora.target_modules)]
    kept = [name for name in named if lora.finetune_language_layers and kinds[_kind(name)]]
    # A leaf's name means all layers of that name to PEFT: where some of them are left out, the kept ones are spelt out.
    shared = {_leaf(name) for name in names if name not in kept}
    targets = list(dict.fromkeys(name if _leaf(name) in shared else _leaf(name) for name in kept))
    if not targets:
        raise RunFailure(
            "The layer switches leave no layer for the adapter.",
            "Switch on lora.finetune_language_layers, and attention or feed-forward modules.",
        )
    return targets


def _is_named(name: str, target_modules: str | list[str]) -> bool:
    """Whether the recipe names the layer, as PEFT reads it: by the end of its name; the head is none of all-linear."""
    if target_modules == "all-linear":
        return _leaf(name) != "lm_head"
    return any(name == target or name.endswith(f".{target}") for target in target_modules)


def _kind(name: str) -> str:
    """attention, feed-forward or empty. Attention first: its output is called dense in some models."""
    if any(part in name for part in ATTENTION):
        return "attention"
    return "feed-forward" if any(part in name for part in FEED_FORWARD) else ""


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]


def _sees(config: Any) -> bool:
    architectures = getattr(config, "architectures", None) or []
    return hasattr(config, "vision_config") or any(a.endswith("ForConditionalGeneration") for a in architectures)


def _fast_class(config: Any) -> Any:
    """Unsloth's entry for this kind of model."""
    import unsloth

    return unsloth.FastModel if _sees(config) else unsloth.FastLanguageModel


def _loaded(model: Any, tokenizer: Any, recipe: Recipe) -> Loaded:
    text_config = model.config.get_text_config()
    positions = getattr(text_config, "max_position_embeddings", None) or recipe.model.max_seq_length
    return Loaded(model, tokenizer, min(recipe.model.max_seq_length, int(positions)), recipe.backend)


def _with_template(tokenizer: Any, recipe: Recipe) -> Any:
    name = recipe.data.chat_template
    from unsloth import get_chat_template

    try:
        return get_chat_template(tokenizer, chat_template=name)
    except (KeyError, ValueError, AssertionError) as error:
        raise RunFailure(
            f"Unsloth has no chat template called {plain_text(name)}.",
            "Set data.chat_template to model, chatml, gemma-3, llama-3.1, qwen-3 ...",
        ) from error


def _limit_compiling(hardware: Hardware) -> None:
    """How often torch may compile one function again, and all of them together."""
    import torch._dynamo

    if hardware.dynamo_cache_size_limit is not None:
        torch._dynamo.config.cache_size_limit = hardware.dynamo_cache_size_limit
    if hardware.dynamo_accumulated_cache_size_limit is not None:
        torch._dynamo.config.accumulated_cache_size_limit = hardware.dynamo_accumulated_cache_size_limit


def _unsloth_checkpointing(recipe: Recipe) -> str | bool:
    mode = recipe.training.gradient_checkpointing
    return "unsloth" if mode == "unsloth" else mode != "none"


def _dtype(name: str) -> torch.dtype | None:
    """None for auto."""
    return None if name == "auto" else {d: getattr(torch, d) for d in ("bfloat16", "float16", "float32")}[name]


def _best_dtype() -> torch.dtype:
    if not torch.cuda.is_available():
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _keep_trainable_layout(model: Any) -> None:
    """bitsandbytes repacks a 4-bit layer for the CPU at its first forward without gradients, and its backward is wrong
    from then on; layers that are told so stay as they are."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
