"""The LoRA adapter on a base model, by Unsloth or by plain peft"""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from cockpit.engine.compat.private_names import renamed
from cockpit.engine.errors import RunFailure, first_line, is_out_of_memory
from cockpit.engine.model.base_model import unsloth_checkpointing, unsloth_class
from cockpit.engine.model.lora_start import begin_with_main_directions
from cockpit.engine.model.lora_targets import lora_targets
from cockpit.engine.model.new_rows import give_head_a_bias, grow, trained_rows
from cockpit.engine.model.new_tokens import NewToken
from cockpit.models.saved_adapter import rows_needed
from cockpit.recipe.lora import Lora
from cockpit.recipe.recipe import EMBEDDINGS, Recipe
from cockpit.text.plain_text import plain_line


def add_by_unsloth(
    model: Any, recipe: Recipe, tokens: Sequence[NewToken] = (), *, is_vision: bool, images: bool
) -> Any:
    """The model with a fresh adapter, patched for training, which trains the rows of `tokens` too. Raises what the
    stack raises."""
    # The layer switches are in the targets already; Unsloth's own ones read all-linear as all of them on.
    targets = lora_targets(model, recipe.lora, is_vision=is_vision)
    with offload_folder(model) as temporary:
        model = unsloth_class(is_vision, images).get_peft_model(
            model,
            target_modules=targets,
            use_gradient_checkpointing=unsloth_checkpointing(recipe),
            random_state=recipe.lora.random_state,
            temporary_location=temporary,
            **({"finetune_vision_layers": True} if is_vision else {}),
            **_fields(recipe.lora, model, tokens, by_unsloth=True),
        )
    if recipe.lora.has_halves:
        begin_with_main_directions(model, recipe.lora)
    return model


def add_with_peft(model: Any, recipe: Recipe, tokens: Sequence[NewToken] = (), *, is_vision: bool) -> Any:
    """The model with a fresh adapter, ready to be trained by any trainer, which trains the rows of `tokens` too. Raises
    what the stack raises."""
    from peft import LoraConfig, get_peft_model

    model = base_for_training(model, recipe)
    targets = lora_targets(model, recipe.lora, is_vision=is_vision)
    torch.manual_seed(recipe.lora.random_state)
    fields = _fields(recipe.lora, model, tokens, by_unsloth=False)
    model = get_peft_model(model, LoraConfig(target_modules=targets, task_type="CAUSAL_LM", **fields))
    if recipe.lora.has_halves:
        begin_with_main_directions(model, recipe.lora)
    return for_any_trainer(model)


def base_for_training(model: Any, recipe: Recipe) -> Any:
    """The base, ready to carry an adapter that is trained."""
    from peft import prepare_model_for_kbit_training

    mode = recipe.training.gradient_checkpointing
    if recipe.model.quantization != "none":
        return prepare_model_for_kbit_training(
            model,
            use_gradient_checkpointing=mode != "none",
            gradient_checkpointing_kwargs={"use_reentrant": mode == "reentrant"},
        )
    if mode == "reentrant":
        model.enable_input_require_grads()  # without it no gradient reaches what is computed again
    return model


def for_any_trainer(model: Any) -> Any:
    """The model with its adapter, as any trainer takes it."""
    give_head_a_bias(model)
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.dtype == torch.float16:
            parameter.data = parameter.data.float()  # a gradient scaler takes no weights in 16 bits
    return model


def _fields(lora: Lora, model: Any, tokens: Sequence[NewToken], *, by_unsloth: bool) -> dict[str, Any]:
    """The recipe's fields under PEFT's names, and what is to be trained for new tokens."""
    whole, rows = list(lora.modules_to_save), dict[str, list[int]]()
    if tokens:
        leaves = [name.rpartition(".")[2] for name in whole]
        more, rows = trained_rows(model, tokens, leaves, by_unsloth=by_unsloth)
        whole += more
    is_tied = _is_tied(model) and any(name.rpartition(".")[2] in EMBEDDINGS for name in whole)
    if is_tied:
        # One matrix that is named twice: trained as one, or head and embeddings would part.
        whole = ["embed_tokens", *(name for name in whole if name.rpartition(".")[2] not in EMBEDDINGS)]
    fields: dict[str, Any] = {
        "r": lora.r,
        "lora_alpha": lora.lora_alpha,
        "lora_dropout": lora.lora_dropout,
        "bias": lora.bias,
        "use_rslora": lora.use_rslora,
        "modules_to_save": whole or None,
    }
    if is_tied:
        fields["ensure_weight_tying"] = True
    if rows and not is_tied:
        fields["trainable_token_indices"] = rows
    if lora.has_halves:  # of twice the rank, at the same scale
        fields["r"] = 2 * lora.r
        fields["lora_alpha"] = lora.lora_alpha * (math.sqrt(2) if lora.use_rslora else 2)
    if lora.init == "gaussian":
        fields["init_lora_weights"] = "gaussian"
    if lora.use_dora:
        fields["use_dora"] = True
    if lora.loftq_config is not None:
        fields["init_lora_weights"] = "loftq"
        fields["loftq_config"] = lora.loftq_config.model_dump()
    return fields


def _is_tied(model: Any) -> bool:
    """Whether head and embeddings are one matrix, and called as they are in most models."""
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    named = any(name.rpartition(".")[2] == "embed_tokens" for name, _ in model.named_modules())
    return named and head is not None and embeddings.weight is head.weight


@contextmanager
def offload_folder(model: Any) -> Iterator[str]:
    """A folder for layers that Unsloth moves to the disk. It would put them into the model's own folder: it joins its
    temporary one with the name that the model was loaded by, which is a whole path."""
    with (
        tempfile.TemporaryDirectory(prefix="cockpit-", ignore_cleanup_errors=True) as temporary,
        renamed(model, "offloaded"),
    ):
        yield temporary  # what is mapped from there stays readable when the folder has gone


def attached(model: Any, saved: Path, recipe: Recipe, config: Any = None) -> Any:
    """The model with the adapter that is saved in the folder; to be trained where its `config` is given. Raises
    RunFailure where it does not fit."""
    from peft import PeftModel

    grow(model, rows_needed(saved))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            model = PeftModel.from_pretrained(model, str(saved), is_trainable=config is not None, config=config)
        except (OSError, ValueError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise
            if "size mismatch" in str(error) or "not found in the base model" in str(error):
                raise misfit(recipe) from error
            raise RunFailure(f"The saved adapter cannot be loaded: {first_line(error)}") from error
    # peft only warns where the folder has no weights for a layer, which then answers as the base does.
    if any("missing adapter keys" in str(one.message) and ".lora_" in str(one.message) for one in said):
        raise misfit(recipe)
    return model


def misfit(recipe: Recipe) -> RunFailure:
    base = plain_line(recipe.model.name_or_path)
    return RunFailure(
        f"The adapter does not fit its base {base}: it was made for a model with other layers.",
        "Give the very model that the adapter was trained on.",
    )
