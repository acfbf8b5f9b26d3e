"""Kinds of training by the names that other tools have for them -> the recipe's method"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from cockpit.importing.ledger import Ledger
from cockpit.importing.rules import Rule
from cockpit.importing.settings import Setting, refused
from cockpit.recipe.field_path import parts
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schema import find_place

NAMES = {
    "sft": "sft",
    "dpo": "dpo",
    "ipo": "dpo",
    "orpo": "orpo",
    "kto": "kto",
    "grpo": "grpo",
    "rm": "reward",
    "reward": "reward",
    "reward_model": "reward",
    "pt": "pretraining",
    "pretrain": "pretraining",
    "pretraining": "pretraining",
}


def known_methods() -> tuple[str, ...]:
    """Those that a recipe can have."""
    return tuple(get_args(Recipe.model_fields["method"].annotation))


def method(ledger: Ledger, setting: Setting, *, reads_rewards: bool = False) -> str:
    """Set the recipe's method. Raises RecipeError where cockpit has no such method, or where the rewards that it needs
    are not read of this tool's files."""
    name = NAMES.get(str(setting.value).lower(), "")
    if name not in known_methods():
        wrong = f"cockpit does not train by {setting.value}"
        raise refused(ledger.file, setting.line, setting.name, wrong, f"it trains by {', '.join(known_methods())}")
    if name == "grpo" and not reads_rewards:
        wrong = f"the rewards of {ledger.tool}'s files are not read, and {name} learns from nothing else"
        right = "give a Python script or notebook with GRPOTrainer, or write a recipe with grpo.rewards"
        raise refused(ledger.file, setting.line, setting.name, wrong, right)
    ledger.put(setting, "method", name)
    return name


def of_method(name: str, convert: Callable[[Any], Any] | None = None) -> Rule:
    """It is a field of the method's own section, such as dpo.beta; lost where the recipe's method has none like it."""

    def rule(ledger: Ledger, setting: Setting) -> None:
        trains = ledger.value("method") or "sft"
        if find_place(parts(f"{trains}.{name}")) is None:
            ledger.lose(setting, f"the method {trains} has no {name}")
        else:
            ledger.put(setting, f"{trains}.{name}", None if convert is None else convert(setting.value))

    return rule


PREFERENCES: dict[str, Rule] = {
    "beta": of_method("beta"),
    "loss_type": of_method("loss_type"),
    "label_smoothing": of_method("label_smoothing"),
    "rpo_alpha": of_method("rpo_alpha"),
    "ld_alpha": of_method("ld_alpha"),
    "f_divergence_type": of_method("f_divergence_type"),
    "use_weighting": of_method("use_weighting"),
    "disable_dropout": of_method("disable_dropout"),
    "desirable_weight": of_method("desirable_weight"),
    "undesirable_weight": of_method("undesirable_weight"),
    "center_rewards_coefficient": of_method("center_rewards_coefficient"),
}
"""trl's fields of preference methods, which stand in the section of the recipe's method."""
SCALES = {True: "group", False: "none", "true": "group", "false": "none"}
REWARDED: dict[str, Rule] = {
    "num_generations": of_method("num_generations"),
    "temperature": of_method("temperature"),
    "top_p": of_method("top_p"),
    "top_k": of_method("top_k", lambda value: 0 if value == -1 else value),
    "min_p": of_method("min_p"),
    "repetition_penalty": of_method("repetition_penalty"),
    "epsilon": of_method("epsilon"),
    "epsilon_high": of_method("epsilon_high"),
    "num_iterations": of_method("num_iterations"),
    "scale_rewards": of_method("scale_rewards", lambda value: SCALES.get(value, value)),
    "mask_truncated_completions": of_method("mask_truncated_completions"),
    "use_vllm": of_method("use_vllm"),
    "vllm_gpu_memory_utilization": of_method("vllm_gpu_memory_utilization"),
}
"""trl's fields of training by rewards, likewise."""
