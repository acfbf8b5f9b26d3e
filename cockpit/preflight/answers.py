"""Memory of the answers that are given between two steps: what generation keeps of all tokens, and one layer's work"""

from __future__ import annotations

import sys
from dataclasses import replace

from cockpit.models.shape import ModelShape
from cockpit.preflight.activations import Batch, Passing, evaluating
from cockpit.preflight.weights import Held
from cockpit.recipe.recipe import Recipe
from cockpit.suites.together import rows_together

PROMPT_TOKENS = 256
"""Of a prompt of the suite, which nobody has tokenized yet."""
ROOM = 0.8
"""Of what is free is taken at most: the rest goes into holes between blocks."""
BYTES = 2
"""Of a number in the cache of keys and values."""


def answers(shape: ModelShape, recipe: Recipe, quantization: str, longest: int, holding: Held, free: int) -> Passing:
    """Of the largest batch of answers that goes into `free` bytes: one that runs out of memory is halved. `longest`:
    tokens of a held-out row."""
    asked, suite = recipe.evaluation, recipe.suite
    kinds = [(asked.rows, longest, asked.max_new_tokens)] if asked.rows else []
    room = int(ROOM * free)
    kinds += [(len(list(suite.prompts())), PROMPT_TOKENS, suite.max_new_tokens)] if asked.suite else []
    found = [
        _of_batch(shape, recipe, quantization, rows_together(count, prompt + new), prompt, new, holding, room)
        for count, prompt, new in kinds
    ]
    return max(found, key=_total)


def drawn(shape: ModelShape, recipe: Recipe, quantization: str, longest: int, holding: Held, total: int) -> Passing:
    """Of the completions of a step, which are all drawn at once; `longest`: tokens of a prompt with its completion.
    vLLM takes its share of the GPU's `total` bytes for itself."""
    training, grpo = recipe.training, recipe.grpo
    if grpo.use_vllm:
        return Passing(0, 0, 0, round(grpo.vllm_gpu_memory_utilization * total))
    rows = training.per_device_train_batch_size * training.gradient_accumulation_steps
    prompt = max(1, longest - grpo.max_completion_length)
    return _of_batch(shape, recipe, quantization, rows, prompt, grpo.max_completion_length, holding, sys.maxsize)


def _of_batch(
    shape: ModelShape, recipe: Recipe, quantization: str, rows: int, prompt: int, new: int, holding: Held, free: int
) -> Passing:
    passing = evaluating(shape, recipe, quantization, Batch(rows, prompt, masked=rows > 1), holding, free)
    of_token = sum(2 * block.keys * block.count for block in shape.blocks)
    # A layer's part of the cache grows by being copied; the head works on the last token of each row alone.
    cache = BYTES * rows * (prompt + new) * (of_token + of_token // max(1, shape.layers))
    passing = replace(passing, kept=cache, loss=(BYTES + 4) * rows * shape.vocabulary)
    if rows > 1 and _total(passing) > free:
        return _of_batch(shape, recipe, quantization, rows // 2, prompt, new, holding, free)
    return passing


def _total(passing: Passing) -> int:
    return passing.kept + max(passing.layer, passing.loss) + passing.buffers
