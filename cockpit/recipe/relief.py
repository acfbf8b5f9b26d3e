"""What would need less memory and trains the same: settings to launch a run again with that has run out of it"""

from __future__ import annotations

from typing import NamedTuple

from cockpit.recipe.recipe import Recipe

SHORTEST = 128
"""Tokens; rows are not cut shorter for the sake of memory."""


class Relief(NamedTuple):
    """`settings` as `--set` takes them, and `why` in a few words. `resumes`: a run may go on from a checkpoint so."""

    settings: tuple[str, ...]
    why: str
    resumes: bool = True


def reliefs(recipe: Recipe) -> list[Relief]:
    """At most three, the gentlest first. The effective batch stays in all of them; the last one cuts rows shorter."""
    training, found = recipe.training, list[Relief]()
    batch, accumulation = training.per_device_train_batch_size, training.gradient_accumulation_steps
    smaller = next((size for size in range(batch // 2, 0, -1) if batch % size == 0), None)
    if smaller is not None:
        found.append(_batches(smaller, accumulation * batch // smaller, f"{smaller} rows at once, as many a step"))
    if training.gradient_checkpointing == "none":
        mode = "unsloth" if recipe.backend == "unsloth" else "non_reentrant"
        setting = f"training.gradient_checkpointing={mode}"
        found.append(Relief((setting,), "activations are computed again in place of being kept"))
        if batch > 1:
            least = _batches(1, accumulation * batch, "")
            found.append(Relief((setting, *least.settings), "both, with one row at once"))
    elif batch > 2 and smaller != 1:
        found.append(_batches(1, accumulation * batch, "one row at once, as many a step"))
    length = min(training.max_length or recipe.model.max_seq_length, recipe.model.max_seq_length)
    if len(found) < 3 and length >= 2 * SHORTEST:
        shorter = f"training.max_length={length // 2}"
        found.append(Relief((shorter,), f"rows are cut at {length // 2:,} tokens", keeps_rows(recipe)))
    return found[:3]


def keeps_rows(recipe: Recipe) -> bool:
    """Whether another max_length leaves as many rows in the same order: they are cut, and neither split nor joined."""
    return recipe.data.long_rows == "truncate" and not recipe.training.packing


def _batches(size: int, accumulation: int, why: str) -> Relief:
    settings = (
        f"training.per_device_train_batch_size={size}",
        f"training.gradient_accumulation_steps={accumulation}",
    )
    return Relief(settings, why)
