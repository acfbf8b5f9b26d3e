"""Keys and values of the reply in hand, which Unsloth keeps in the model's own layers while it draws token by token"""

from __future__ import annotations

from typing import Any

NAMES = (
    *("paged_attention", "paged_attention_K", "paged_attention_V"),
    *("temp_QA", "temp_KV", "temp_O", "RH_Q", "attention"),
)
"""Those of a layer's attention, made at the first token after the prompt where the first of them is not there."""


def take_out(model: Any) -> list[tuple[Any, dict[str, Any]]]:
    """Leave the model without any, as before a reply; what it had, by module: nothing where Unsloth does not draw."""
    taken = []
    for module in model.modules():
        if "paged_attention" in module.__dict__:
            taken.append((module, {name: module.__dict__.pop(name) for name in NAMES if name in module.__dict__}))
    return taken


def put_back(taken: list[tuple[Any, dict[str, Any]]]) -> None:
    """What was taken out, so that its reply can go on."""
    for module, buffers in taken:
        module.__dict__.update(buffers)
