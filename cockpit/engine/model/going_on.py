"""An adapter that is there and goes on being trained, in place of a fresh one"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cockpit.engine.errors import RunFailure
from cockpit.engine.model.adapter import attached, base_for_training, for_any_trainer, misfit, offload_folder
from cockpit.engine.model.base_model import unsloth_checkpointing, unsloth_class
from cockpit.engine.model.new_rows import grow
from cockpit.engine.model.new_tokens import starting_adapter
from cockpit.models.fingerprint import fingerprint
from cockpit.models.saved_adapter import rows_needed
from cockpit.paths import local_path
from cockpit.recipe.recipe import Recipe
from cockpit.runs.moved_base import recorded_base
from cockpit.runs.starting_adapter import StartingAdapter
from cockpit.text.plain_text import plain_line

NOT_BY_UNSLOTH = (
    "rank_pattern", "alpha_pattern", "layers_to_transform", "layers_pattern", "exclude_modules", "target_parameters",
    "layer_replication", "lora_bias", "fan_in_fan_out",
)  # fmt: skip
"""What PEFT can make of an adapter and Unsloth is not asked for."""
AS_SAVED = ("r", "lora_alpha", "bias", "use_rslora", "modules_to_save")
WHERE_GIVEN = ("use_dora", "ensure_weight_tying", "trainable_token_indices")


def check_base(recipe: Recipe, base_sha256: dict[str, str], say: Callable[[str], None]) -> None:
    """Compare the base, whose fingerprint is `base_sha256`, with the one that the adapter was trained on. Raises
    RunFailure for another one, and says so where it cannot be told."""
    found = starting_adapter(recipe)
    trained_on = str(found.config.get("base_model_name_or_path") or "")
    recorded = recorded_base(found.run) if found.run is not None else {}
    if not recorded and (folder := local_path(trained_on)) is not None and folder.is_dir():
        recorded = fingerprint(folder)
    if recorded and base_sha256:
        if recorded != base_sha256:
            raise RunFailure(
                f"The adapter {plain_line(recipe.model.adapter or '')} was trained on another base than "
                f"{plain_line(recipe.model.name_or_path)}: the weights differ.",
                f"Give {plain_line(trained_on)} as model.name_or_path.",
            )
    elif trained_on != recipe.model.name_or_path:
        say(
            "Whether the adapter was trained on this base cannot be checked, as it names "
            f"{plain_line(trained_on) or 'none'}; that its layers fit is all that is known."
        )


def go_on_by_unsloth(model: Any, recipe: Recipe, found: StartingAdapter, *, is_vision: bool, images: bool) -> Any:
    """The model with the saved adapter, patched for training. Raises RunFailure, and what the stack raises."""
    from peft import load_peft_weights, set_peft_model_state_dict

    config = found.config
    unlike = [name for name in NOT_BY_UNSLOTH if config.get(name)]
    if not isinstance(config.get("target_modules"), list):
        unlike.append("target_modules as a pattern")
    if unlike:
        raise RunFailure(
            f"This adapter has {', '.join(unlike)}, which Unsloth cannot go on with.", "Set backend to transformers."
        )
    grow(model, rows_needed(found.path))
    with offload_folder(model) as temporary:
        model = unsloth_class(is_vision, images).get_peft_model(
            model,
            target_modules=config["target_modules"],
            use_gradient_checkpointing=unsloth_checkpointing(recipe),
            random_state=recipe.lora.random_state,
            temporary_location=temporary,
            lora_dropout=recipe.lora.lora_dropout,
            **({"finetune_vision_layers": True} if is_vision else {}),
            **{name: config[name] for name in AS_SAVED if name in config},
            **{name: config[name] for name in WHERE_GIVEN if config.get(name)},
        )
    try:
        loaded = set_peft_model_state_dict(model, load_peft_weights(str(found.path), device="cpu"))
    except RuntimeError as error:
        if "size mismatch" in str(error):
            raise misfit(recipe) from error
        raise
    if loaded.unexpected_keys or any(".lora_" in key for key in loaded.missing_keys):
        raise misfit(recipe)
    return model


def go_on_with_peft(model: Any, recipe: Recipe, found: StartingAdapter) -> Any:
    """The model with the saved adapter, ready to be trained by any trainer. Raises RunFailure, and what the stack
    raises."""
    from peft import PeftConfig

    config = PeftConfig.from_pretrained(str(found.path))
    config.lora_dropout = recipe.lora.lora_dropout
    return for_any_trainer(attached(base_for_training(model, recipe), found.path, recipe, config))
