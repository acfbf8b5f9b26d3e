"""Bytes that a micro-batch needs for a moment: what each layer keeps for its backward pass, and what comes and goes.

Counted per token and layer from what the two backends' layers save. H, I, Q, K stand for the widths of the hidden
state, the feed-forward part, all queries and all keys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cockpit.models.shape import ModelShape
from cockpit.models.shape_parts import Block
from cockpit.preflight.weights import Held, adapted
from cockpit.recipe.recipe import Recipe

FUSED_FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2")
"""Families for which Unsloth has kernels of its own around each projection; it compiles the others' own code."""
OFFLOADED_FROM = 2 << 20
"""Bytes of a layer's input from which Unsloth's checkpointing moves it to the machine's memory."""
TILE_ROWS, TILE_WORDS = 4096, 32_768
"""TRL computes the loss in tiles of so many tokens by so many words of the vocabulary."""
CHUNK_BYTES, CHUNK_LOGIT = 4 << 30, 16
"""Unsloth cuts the loss into pieces of at most so many bytes, or of half of what is free, at so many bytes a logit."""
ATTENTION_TOKENS = 128
"""Unsloth's own layers keep queries, keys, values and what attention makes of them with so many tokens on each row."""
WORKSPACES = 40 << 20
"""What the libraries for matrix products keep on the GPU."""


@dataclass(frozen=True)
class Batch:
    """One micro-batch: `rows` of `length` tokens as the GPU sees them, padding counted in. `masked`: attention needs a
    mask, as of rows of several lengths. `images`: that come with the rows."""

    rows: int
    length: int
    masked: bool
    images: int = 0

    @property
    def tokens(self) -> int:
        """All of them, padding too."""
        return self.rows * self.length


@dataclass(frozen=True)
class Passing:
    """Bytes. `kept` by all layers until the backward pass; on top of it `layer` while one layer's gradients are
    computed, or `loss` while those of the loss are. `buffers` stay."""

    kept: int
    layer: int
    loss: int
    buffers: int


@dataclass(frozen=True)
class _Adapted:
    """Which inputs an adapter keeps: how many of q, k, v, gate and up; whether down and o; gate, up and down all three.
    `full`: there is no adapter, all weights are trained."""

    inputs: int
    down: bool
    output: bool
    whole: bool
    full: bool = False


def passing(shape: ModelShape, recipe: Recipe, quantization: str, batch: Batch, held: Held, free: int) -> Passing:
    """Of a training step; `free` bytes are free on the GPU beside all that is held."""
    plain = recipe.backend == "transformers"
    adapter = _adapter_of(shape, recipe)
    tokens, mode = batch.tokens, recipe.training.gradient_checkpointing
    stream = 4 if plain and quantization != "none" else 2
    saved = sum(block.count * _saved(shape, block, recipe, quantization, batch, adapter) for block in shape.blocks)
    largest = max(_saved(shape, block, recipe, quantization, batch, adapter) for block in shape.blocks)
    widest = max(block.inner for block in shape.blocks)
    input_bytes = stream * shape.hidden * tokens
    if mode == "none":
        kept, again = saved, 0
    elif mode == "unsloth" and not plain:
        offloads = input_bytes > OFFLOADED_FROM
        kept, again = (3 if offloads else shape.layers) * input_bytes, largest
    else:
        kept, again = shape.layers * input_bytes, largest
        if mode == "non_reentrant" and quantization == "int8":
            kept += sum(block.count * _never_freed(shape, block, stream) for block in shape.blocks) * tokens
    seen, seeing = _seen(shape, recipe, batch)
    kept += seen
    if plain:
        layer = _plain_layer(shape, quantization, tokens, widest, held, adapter)
        layer += input_bytes if mode == "reentrant" else 0
        loss = _plain_loss(shape, tokens, stream) + 6 * _trained_head(shape, recipe)  # in 32 bits, then in 16
        kept += _head_with_new_rows(shape, recipe, quantization)
        buffers = WORKSPACES
    else:
        layer = (_feed_forward_passing(shape, recipe, quantization, adapter) * widest + 2 * shape.hidden) * tokens
        loss = _chunked_loss(shape, recipe, tokens, free - kept) + 2 * _trained_head(shape, recipe)
        # A buffer that every layer is dequantised into, and the one that is made for each product of a backward pass.
        buffers = WORKSPACES + (2 if quantization == "nf4" else 4 if quantization == "int8" else 0) * 2 * held.largest
    return Passing(kept, max(again + layer, seeing), loss, buffers)


def _feed_forward_passing(shape: ModelShape, recipe: Recipe, quantization: str, adapter: _Adapted) -> int:
    """Bytes of a token, for each of the feed-forward part's inner values, that come and go in an Unsloth layer's
    backward pass, beside the outputs of gate and up. Compiled: the gradient that comes in, and three more that are made
    of it and the two outputs. Unsloth's own kernel puts those three where the first three are.

    Unsloth compiles no layer of its own that is given the rows' lengths, as those are that are joined."""
    is_joined = recipe.training.packing or recipe.training.padding_free
    if not (_is_fused(shape, recipe, quantization) and adapter.whole and (is_joined or not recipe.hardware.compile)):
        return 8
    return 4 if recipe.lora.lora_dropout else 2  # what was dropped out is a copy


def evaluating(shape: ModelShape, recipe: Recipe, quantization: str, batch: Batch, held: Held, free: int) -> Passing:
    """Of an evaluation: nothing is kept for a backward pass."""
    plain = recipe.backend == "transformers"
    stream = 4 if plain and quantization != "none" else 2
    widest = max(block.inner for block in shape.blocks)
    queries = max(block.queries for block in shape.blocks)
    layer = stream * (3 * widest + 4 * shape.hidden + 2 * queries) * batch.tokens
    loss = _plain_loss(shape, batch.tokens, stream) if plain else _chunked_loss(shape, recipe, batch.tokens, free)
    return Passing(0, layer, loss, WORKSPACES + (2 * held.largest if quantization != "none" else 0))


def _seen(shape: ModelShape, recipe: Recipe, batch: Batch) -> tuple[int, int]:
    """Bytes that the vision tower keeps of all images, and that one of its layers needs for a moment."""
    tower, patches = shape.tower, shape.tower.patches * batch.images
    layer = 2 * (2 * tower.inner + 8 * tower.hidden) * patches
    if recipe.finetuning_type == "lora" and not recipe.lora.finetune_vision_layers:
        return 0, layer
    if recipe.training.gradient_checkpointing == "none":
        return tower.layers * layer, layer
    return tower.layers * 2 * tower.hidden * patches, 2 * layer


def _adapter_of(shape: ModelShape, recipe: Recipe) -> _Adapted:
    if recipe.finetuning_type == "full":
        return _Adapted(5, down=True, output=True, whole=False, full=True)
    leaves = {one.leaf for one in adapted(shape, recipe.lora) if one.part == "language"}
    inputs = sum(name in leaves for name in ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"))
    inputs += 3 * ("qkv_proj" in leaves) + 2 * ("gate_up_proj" in leaves)
    whole = {"gate_proj", "up_proj", "down_proj"} <= leaves
    return _Adapted(inputs, "down_proj" in leaves, "o_proj" in leaves, whole)


def _trained_head(shape: ModelShape, recipe: Recipe) -> int:
    """Elements of the head where it is trained: the second micro-batch's gradient comes beside that of the first."""
    is_whole = recipe.finetuning_type == "full" or "lm_head" in recipe.lora.modules_to_save
    is_trained = is_whole or bool(recipe.model.add_tokens)
    return shape.vocabulary * shape.hidden if is_trained else 0


def _head_with_new_rows(shape: ModelShape, recipe: Recipe, quantization: str) -> int:
    """Bytes of the copy of the head that PEFT puts the trained rows of new tokens into, kept from the loss until its
    backward pass. The embeddings' copy is gone once they have been looked up."""
    if recipe.finetuning_type == "full" or not recipe.model.add_tokens:
        return 0
    wide = 4 if quantization != "none" or recipe.model.dtype == "float32" else 2
    return wide * shape.vocabulary * shape.hidden


def _never_freed(shape: ModelShape, block: Block, stream: int) -> int:
    """Bytes of a token that a layer keeps although it is checkpointed: bitsandbytes' int8 product holds on to its
    input, where non-reentrant checkpointing does not see it. q, k and v share one, and so do gate and up."""
    return stream * (2 * shape.hidden + block.inner) + 2 * block.queries


def _saved(shape: ModelShape, block: Block, recipe: Recipe, quantization: str, batch: Batch, adapter: _Adapted) -> int:
    """Bytes that one layer keeps of all tokens."""
    hidden, inner, queries, keys = shape.hidden, block.inner, block.queries, block.keys
    if recipe.backend == "transformers":
        return _plain_saved(shape, block, quantization, batch, adapter)
    normed = 2 * (queries + keys) if block.norms_queries else 0
    if not _is_fused(shape, recipe, quantization):
        width = 6 * inner + 2 * (block.norms + 1) * hidden + 6 * queries + 4 * keys + normed
    else:
        feed_forward = 4 * inner if adapter.whole else (4 + 2 * (1 + adapter.down)) * inner
        width = feed_forward + 8 * hidden + 6 * queries + 4 * keys + normed
        width += 4 * (queries + keys) * ATTENTION_TOKENS // batch.length
    masks = 1 if recipe.lora.lora_dropout and recipe.finetuning_type == "lora" else 0
    width += masks * (adapter.inputs * hidden + adapter.down * inner)
    return width * batch.tokens


def _is_fused(shape: ModelShape, recipe: Recipe, quantization: str) -> bool:
    """Whether Unsloth's kernels do the layers' projections, adapters with them."""
    is_adapted = recipe.finetuning_type == "lora" and not recipe.lora.use_dora
    return is_adapted and shape.family in FUSED_FAMILIES and quantization != "int8"


def _plain_saved(shape: ModelShape, block: Block, quantization: str, batch: Batch, adapter: _Adapted) -> int:
    """Of transformers' own layers: the stream between them is float32 where the base is quantised, and every adapter
    keeps a 16-bit copy of its input."""
    hidden, inner, queries = shape.hidden, block.inner, block.queries
    keys = queries if batch.masked else block.keys  # with a mask, keys are repeated for each query head
    attention = 4 * queries + 4 * keys + (4 * (queries + block.keys) if block.norms_queries else 0)
    norms = 4 * block.norms * hidden
    copies = 2 * adapter.inputs * hidden
    match quantization:
        case "nf4":
            width = 12 * inner + 2 * adapter.down * inner + norms + copies
        case "int8":
            width = 16 * inner + 2 * adapter.down * inner + norms + 8 * hidden + copies
        case _:
            width = 6 * inner + 2 * adapter.down * inner + norms
            # Trained, a norm keeps what it scales and its output serves all; else each adapter has a copy of its own.
            width += 4 * hidden + norms // 2 if adapter.full else copies + 2 * adapter.output * queries
    mask = 2 * batch.rows * batch.length**2 if batch.masked else 0
    return (width + attention) * batch.tokens + mask


def _plain_layer(shape: ModelShape, quantization: str, tokens: int, widest: int, held: Held, adapter: _Adapted) -> int:
    """What comes and goes while transformers' own layer computes its gradients."""
    hidden = 5 * shape.hidden * tokens
    match quantization:
        case "nf4":  # by then as many copies of inputs are gone as gradients of the hidden state have come
            down = 2 * adapter.down
            return max((12 - down) * widest * tokens, 2 * held.largest + 6 * widest * tokens)
        case "int8":
            return hidden + 8 * widest * tokens + 4 * held.largest
    return hidden + 4 * widest * tokens


def _plain_loss(shape: ModelShape, tokens: int, stream: int) -> int:
    head = 2 * 2 * TILE_WORDS * shape.hidden if stream == 4 else 0
    return 2 * min(tokens, TILE_ROWS) * TILE_WORDS + head + tokens * shape.hidden * (6 + stream)


def _chunked_loss(shape: ModelShape, recipe: Recipe, tokens: int, free: int) -> int:
    """Unsloth's loss: as many equal pieces, a multiple of four, as its budget asks for."""
    budget = min(CHUNK_BYTES, max(free, 1 << 26) // 2)
    pieces = tokens * shape.vocabulary * CHUNK_LOGIT / budget
    count = 1 if pieces <= 1 else min(4 * math.ceil(pieces / 4), tokens)
    # Compiled, the gradients take the place of the logits; else each step of the loss has its own copy.
    each = 14
    if recipe.hardware.compile:
        each = 2 if shape.family in FUSED_FAMILIES else 4
    return math.ceil(tokens / count) * shape.vocabulary * each + 4 * shape.hidden * tokens
