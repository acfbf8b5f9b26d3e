"""Kinds of training by the names that other tools have for them -> the recipe's method"""

from __future__ import annotations

from typing import get_args

from cockpit.importing.ledger import Ledger
from cockpit.importing.settings import Setting, refused
from cockpit.recipe.recipe import Recipe

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


def method(ledger: Ledger, setting: Setting) -> str:
    """Set the recipe's method. Raises RecipeError where cockpit has no such method."""
    name = NAMES.get(str(setting.value).lower(), "")
    if name not in known_methods():
        wrong = f"cockpit does not train by {setting.value}"
        raise refused(ledger.file, setting.line, setting.name, wrong, f"it trains by {', '.join(known_methods())}")
    ledger.put(setting, "method", name)
    return name
