"""A model's sizes, counted from its config.json alone: no weights are looked at, nothing is imported for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cockpit.models.shape_parts import BLIND, Block, Linear, Tower, UnknownShape, number, vision_of
from cockpit.models.shape_parts import number_or as optional

Config = Mapping[str, Any]


@dataclass(frozen=True)
class ModelShape:
    """Sizes are counts of parameters or of elements per token, never bytes.

    `blocks` are the decoder's layers, those that are alike in one. `linears` are all linear layers but the head:
    what a quantisation and an adapter apply to. `embeddings` are looked up and never quantised; `head` is 0 where it
    is the embeddings' own matrix. `rest` are norms, biases, positions, convolutions and routers.
    """

    family: str
    hidden: int
    vocabulary: int
    blocks: tuple[Block, ...]
    linears: tuple[Linear, ...]
    embeddings: int
    head: int
    rest: int
    tower: Tower = BLIND
    """What it sees with; one without layers for a model of text."""

    @property
    def parameters(self) -> int:
        """All of them; a matrix that head and embeddings share counts once."""
        return sum(one.parameters for one in self.linears) + self.embeddings + self.head + self.rest

    @property
    def layers(self) -> int:
        """Layers of the decoder."""
        return sum(block.count for block in self.blocks)

    @property
    def is_vision(self) -> bool:
        """Whether it sees images."""
        return self.tower.layers > 0

    @classmethod
    def of(cls, config: Config) -> ModelShape | None:
        """The shape of the model that a config.json describes; None for a family that nobody has taught it, and where
        what it needs is missing."""
        text = config.get("text_config")
        inner: Config = {**text} if isinstance(text, Mapping) else config
        family = str(inner.get("model_type") or config.get("model_type") or "")
        count = _FAMILIES.get(family)
        if count is None:
            return None
        tied = config.get("tie_word_embeddings", inner.get("tie_word_embeddings"))
        try:
            given = {**_DEFAULTS.get(family, {}), **inner}
            return count(family, given, config, _TIED.get(family, False) if tied is None else bool(tied))
        except UnknownShape:
            return None


def _attention(config: Config, *, count: int, biased: bool, output_biased: bool) -> tuple[list[Linear], int, int, int]:
    """q, k, v and o of `count` layers, their biases, and the widths of queries and keys."""
    hidden, heads = number(config, "hidden_size"), number(config, "num_attention_heads")
    head = optional(config, "head_dim", hidden // heads)
    queries, keys = heads * head, optional(config, "num_key_value_heads", heads) * head
    linears = [
        Linear("self_attn.q_proj", hidden, queries, count, "attention"),
        Linear("self_attn.k_proj", hidden, keys, count, "attention"),
        Linear("self_attn.v_proj", hidden, keys, count, "attention"),
        Linear("self_attn.o_proj", queries, hidden, count, "attention"),
    ]
    biases = count * ((queries + 2 * keys) * biased + hidden * output_biased)
    return linears, biases, queries, keys


def _feed_forward(hidden: int, inner: int, count: int) -> list[Linear]:
    return [
        Linear("mlp.gate_proj", hidden, inner, count, "feed-forward"),
        Linear("mlp.up_proj", hidden, inner, count, "feed-forward"),
        Linear("mlp.down_proj", inner, hidden, count, "feed-forward"),
    ]


def _dense(family: str, config: Config, whole: Config, tied: bool) -> ModelShape:
    """Llama and what is made after it."""
    hidden, layers, vocabulary = (number(config, name) for name in ("hidden_size", "num_hidden_layers", "vocab_size"))
    inner = number(config, "intermediate_size")
    qwen_2 = family == "qwen2"
    biased = bool(config.get("attention_bias", False)) or qwen_2
    linears, biases, queries, keys = _attention(
        config, count=layers, biased=biased, output_biased=biased and not qwen_2
    )
    head_dim = queries // number(config, "num_attention_heads")
    linears += _feed_forward(hidden, inner, layers)
    if family == "phi3":
        linears = [
            Linear("self_attn.qkv_proj", hidden, queries + 2 * keys, layers, "attention"),
            Linear("self_attn.o_proj", queries, hidden, layers, "attention"),
            Linear("mlp.gate_up_proj", hidden, 2 * inner, layers, "feed-forward"),
            Linear("mlp.down_proj", inner, hidden, layers, "feed-forward"),
        ]
    norms = 4 if family in ("gemma2", "gemma3_text") else 2
    by_head = family in ("qwen3", "gemma3_text")
    rest = layers * (norms * hidden + 2 * head_dim * by_head) + hidden + biases
    block = Block(layers, inner, queries, keys, norms, norms_queries=by_head)
    vision, seen = vision_of(whole, hidden)
    return ModelShape(
        family, hidden, vocabulary, (block,), (*linears, *vision), vocabulary * hidden,
        0 if tied else vocabulary * hidden, rest + seen.rest, seen,
    )  # fmt: skip


def _gpt_oss(family: str, config: Config, whole: Config, tied: bool) -> ModelShape:
    """A mixture of experts; its experts are tensors of three dimensions, which no adapter's usual names mean."""
    hidden, layers, vocabulary = (number(config, name) for name in ("hidden_size", "num_hidden_layers", "vocab_size"))
    inner, experts = number(config, "intermediate_size"), number(config, "num_local_experts")
    active = optional(config, "num_experts_per_tok", 4)
    linears, biases, queries, keys = _attention(config, count=layers, biased=True, output_biased=True)
    linears += [
        Linear("mlp.experts.gate_up_projs", hidden, 2 * inner, layers * experts, "experts"),
        Linear("mlp.experts.down_projs", inner, hidden, layers * experts, "experts"),
    ]
    routers = layers * experts * (hidden + 1 + 2 * inner + hidden)
    sinks = layers * number(config, "num_attention_heads")
    rest = layers * 2 * hidden + hidden + biases + routers + sinks
    block = Block(layers, active * inner, queries, keys, 2)
    embeddings = vocabulary * hidden
    return ModelShape(family, hidden, vocabulary, (block,), tuple(linears), embeddings, 0 if tied else embeddings, rest)


def _qwen_35(family: str, config: Config, whole: Config, tied: bool) -> ModelShape:
    """Three layers of linear attention to one of full attention, whose queries carry a gate."""
    hidden, layers, vocabulary = (number(config, name) for name in ("hidden_size", "num_hidden_layers", "vocab_size"))
    inner, heads = number(config, "intermediate_size"), number(config, "num_attention_heads")
    every = optional(config, "full_attention_interval", 4)
    kinds = config.get("layer_types")
    full = kinds.count("full_attention") if isinstance(kinds, list) else layers // every
    linear = layers - full
    head, kv_heads = number(config, "head_dim"), number(config, "num_key_value_heads")
    key_heads, key = optional(config, "linear_num_key_heads", 16), optional(config, "linear_key_head_dim", 128)
    value_heads = optional(config, "linear_num_value_heads", 32)
    values = value_heads * optional(config, "linear_value_head_dim", 128)
    mixed = 2 * key_heads * key + values
    linears = [
        Linear("self_attn.q_proj", hidden, 2 * heads * head, full, "attention"),
        Linear("self_attn.k_proj", hidden, kv_heads * head, full, "attention"),
        Linear("self_attn.v_proj", hidden, kv_heads * head, full, "attention"),
        Linear("self_attn.o_proj", heads * head, hidden, full, "attention"),
        Linear("linear_attn.in_proj_qkv", hidden, mixed, linear, "attention"),
        Linear("linear_attn.in_proj_z", hidden, values, linear, "attention"),
        Linear("linear_attn.in_proj_b", hidden, value_heads, linear, "attention"),
        Linear("linear_attn.in_proj_a", hidden, value_heads, linear, "attention"),
        Linear("linear_attn.out_proj", values, hidden, linear, "attention"),
        *_feed_forward(hidden, inner, layers),
    ]
    kernel = optional(config, "linear_conv_kernel_dim", 4)
    rest = layers * 2 * hidden + hidden + full * 2 * head
    rest += linear * (2 * value_heads + mixed * kernel + optional(config, "linear_value_head_dim", 128))
    blocks = (
        Block(full, inner, 2 * heads * head, kv_heads * head, 2, norms_queries=True),
        # A running state in place of keys: about four times the mixture's width in 32 bits on top of the projections.
        Block(linear, inner, mixed + 2 * values, mixed, 2, norms_queries=True),
    )
    vision, seen = vision_of(whole, hidden)
    return ModelShape(
        family, hidden, vocabulary, blocks, (*linears, *vision), vocabulary * hidden,
        0 if tied else vocabulary * hidden, rest + seen.rest, seen,
    )  # fmt: skip


def _gemma_4(family: str, config: Config, whole: Config, tied: bool) -> ModelShape:
    """Embeddings for each layer, wider heads in its global layers, later layers that share keys and may be twice as
    wide."""
    hidden, layers, vocabulary = (number(config, name) for name in ("hidden_size", "num_hidden_layers", "vocab_size"))
    inner, heads, kv_heads = (
        number(config, name) for name in ("intermediate_size", "num_attention_heads", "num_key_value_heads")
    )
    if config.get("enable_moe_block"):
        raise UnknownShape
    kinds = config.get("layer_types")
    if not isinstance(kinds, list) or len(kinds) != layers:
        # Five local layers to a global one, and the last is global.
        kinds = ["full_attention" if (at + 1) % 6 == 0 else "sliding_attention" for at in range(layers)]
        kinds[-1] = "full_attention"
    head, wide_head = number(config, "head_dim"), optional(config, "global_head_dim", 512)
    own = layers - optional(config, "num_kv_shared_layers", 0)
    double = 2 if config.get("use_double_wide_mlp") else 1
    linears: list[Linear] = []
    blocks: list[Block] = []
    rest = hidden
    wide_keys = optional(config, "num_global_key_value_heads", kv_heads)
    for at, kind in enumerate(kinds):
        is_global, shares = kind == "full_attention", at >= own
        size = wide_head if is_global else head
        queries, keys = heads * size, (wide_keys if is_global else kv_heads) * size
        width = inner * (double if shares else 1)
        linears += [
            Linear("self_attn.q_proj", hidden, queries, 1, "attention"),
            Linear("self_attn.o_proj", queries, hidden, 1, "attention"),
            *_feed_forward(hidden, width, 1),
        ]
        if not shares:
            linears += [Linear(f"self_attn.{name}_proj", hidden, keys, 1, "attention") for name in "kv"]
        rest += 4 * hidden + size + (0 if shares else size)
        blocks.append(Block(1, width, queries, keys, 4, norms_queries=True))
    embeddings = vocabulary * hidden
    by_layer = optional(config, "hidden_size_per_layer_input", 256)
    if by_layer:
        linears += [
            Linear("per_layer_input_gate", hidden, by_layer, layers, ""),
            Linear("per_layer_projection", by_layer, hidden, layers, ""),
            Linear("per_layer_model_projection", hidden, layers * by_layer, 1, ""),
        ]
        embeddings += optional(config, "vocab_size_per_layer_input", vocabulary) * layers * by_layer
        rest += layers * hidden + by_layer
    vision, seen = vision_of(whole, hidden)
    return ModelShape(
        family, hidden, vocabulary, tuple(_alike(blocks)), (*linears, *vision), embeddings,
        0 if tied else vocabulary * hidden, rest + seen.rest, seen,
    )  # fmt: skip


def _alike(blocks: list[Block]) -> Iterator[Block]:
    for kind in dict.fromkeys(blocks):
        yield Block(blocks.count(kind), kind.inner, kind.queries, kind.keys, kind.norms, kind.norms_queries)


_FAMILIES: dict[str, Callable[[str, Config, Config, bool], ModelShape]] = {
    **dict.fromkeys(
        (
            "llama",
            "mistral",
            "ministral",
            "qwen2",
            "qwen3",
            "gemma",
            "gemma2",
            "gemma3_text",
            "phi3",
            "smollm3",
            "granite",
        ),
        _dense,
    ),
    "gpt_oss": _gpt_oss,
    "qwen3_5_text": _qwen_35,
    "qwen3_5": _qwen_35,
    "gemma4_text": _gemma_4,
}
"""transformers' model_type of the part that writes text -> what counts it."""
_DEFAULTS: dict[str, dict[str, int]] = {
    "qwen3": {"head_dim": 128},
    "gemma": {"head_dim": 256},
    "gemma2": {"head_dim": 256, "num_attention_heads": 8, "num_key_value_heads": 4},
    "gemma3_text": {"head_dim": 256, "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 262_208},
    "gemma4_text": {"head_dim": 256, "vocab_size": 262_144},
    "gpt_oss": {"head_dim": 64, "num_key_value_heads": 8, "num_local_experts": 32, "vocab_size": 201_088},
    "qwen3_5_text": {"head_dim": 256, "vocab_size": 248_320},
}
"""What a config.json may leave to the family's class in transformers: Gemma 3's says not even how many heads it has."""
_TIED = dict.fromkeys(("gemma", "gemma2", "gemma3_text", "gemma4_text", "smollm3"), True)
"""Families whose head is the embeddings' matrix where the config does not say."""
