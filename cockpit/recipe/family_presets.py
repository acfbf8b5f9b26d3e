"""How the makers of a model's family say that its replies are to be drawn: presets beside those of the recipe"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any

from cockpit.recipe.chat import Sampling

FAMILIES: dict[str, dict[str, dict[str, Any]]] = {
    r"qwen-?3": {
        "qwen3 answers": {"temperature": 0.7, "top_p": 0.8, "top_k": 20},
        "qwen3 thinks": {
            "temperature": 0.6,
            "top_p": 0.95,
            "top_k": 20,
            "enable_thinking": True,
            "max_new_tokens": 2048,
        },
    },
    r"qwen-?2": {"qwen2": {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.05}},
    r"gemma-?[34]": {"gemma": {"temperature": 1.0, "top_p": 0.95, "top_k": 64}},
    r"llama-?3": {"llama 3": {"temperature": 0.6, "top_p": 0.9, "top_k": 0}},
    r"phi-?4": {"phi-4": {"temperature": 0.8, "top_p": 0.95, "top_k": 50}},
    r"gpt-?oss": {"gpt-oss": {"temperature": 1.0, "top_p": 1.0, "top_k": 0}},
    r"smollm-?2": {"smollm2": {"temperature": 0.2, "top_p": 0.9, "top_k": 0}},
    r"smollm-?3": {"smollm3": {"temperature": 0.6, "top_p": 0.95, "top_k": 0}},
}  # fmt: skip
"""By what the model's name holds: presets, each with what it sets."""


def family_presets(name_or_path: str) -> list[Sampling]:
    """Those of the model's family, told by its name; none where the name says none."""
    name = PurePath(name_or_path).name.lower()
    found = next((presets for pattern, presets in FAMILIES.items() if re.search(pattern, name)), {})
    return [Sampling(name=title, **fields) for title, fields in found.items()]


def all_presets(own: list[Sampling], name_or_path: str) -> list[Sampling]:
    """The recipe's `own` first, then its family's that are called otherwise and draw otherwise."""
    known = [preset.model_dump(exclude={"name"}) for preset in own]
    names = {preset.name for preset in own}
    family = family_presets(name_or_path)
    return own + [one for one in family if one.name not in names and one.model_dump(exclude={"name"}) not in known]
