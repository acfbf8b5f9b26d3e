"""What model shapes are made of: linear layers, blocks of layers that are alike, and the towers that see and hear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Config = Mapping[str, Any]
Kind = Literal["attention", "feed-forward", "experts", ""]
Part = Literal["language", "vision", "audio"]


class UnknownShape(Exception):
    """A config lacks what its family needs, or has something that nobody counts yet."""


@dataclass(frozen=True)
class Linear:
    """`count` linear layers of one name, `inputs` to `outputs`, their biases left out."""

    name: str
    inputs: int
    outputs: int
    count: int
    kind: Kind
    part: Part = "language"

    @property
    def parameters(self) -> int:
        """Of all `count` of them."""
        return self.inputs * self.outputs * self.count

    @property
    def leaf(self) -> str:
        """The last part of its name."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class Block:
    """`count` decoder layers that are alike. Widths are elements per token: of the feed-forward part (of the active
    experts together), of all queries and of all keys. `norms`: RMS norms over the hidden width in each layer;
    `norms_queries`: queries and keys are normed too."""

    count: int
    inner: int
    queries: int
    keys: int
    norms: int
    norms_queries: bool = False


@dataclass(frozen=True)
class Tower:
    """What a model sees with. `rest`: parameters that are in no linear layer; `patches`: of one image."""

    rest: int = 0
    patches: int = 0
    hidden: int = 0
    layers: int = 0
    inner: int = 0


BLIND = Tower()


def number(config: Config, name: str) -> int:
    """A size in the config. Raises UnknownShape where it has none."""
    found = config.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise UnknownShape(name)
    return found


def number_or(config: Config, name: str, default: int) -> int:
    """A size in the config, which may be 0, or `default` where it has none."""
    return default if (found := config.get(name)) is None else found and number(config, name)


def vision_of(whole: Config, hidden: int) -> tuple[list[Linear], Tower]:
    """The linear layers of a model's towers and the rest of them, for a language part of width `hidden`.

    Raises UnknownShape for a tower that nobody has taught it.
    """
    config = whole.get("vision_config")
    if not isinstance(config, Mapping):
        return [], BLIND
    kind = str(config.get("model_type") or whole.get("model_type") or "")
    for start, count in _TOWERS.items():
        if kind.startswith(start):
            return count(config, whole, hidden)
    raise UnknownShape(kind)


def _tower_linears(prefix: str, shapes: dict[str, tuple[int, int, Kind]], layers: int, part: Part) -> list[Linear]:
    return [Linear(f"{prefix}.{name}", *shape[:2], layers, shape[2], part) for name, shape in shapes.items()]


def _siglip(config: Config, whole: Config, hidden: int) -> tuple[list[Linear], Tower]:
    """Gemma 3's."""
    own, inner = number_or(config, "hidden_size", 768), number_or(config, "intermediate_size", 3072)
    layers = number_or(config, "num_hidden_layers", 12)
    patch, side = number_or(config, "patch_size", 16), number_or(config, "image_size", 224)
    patches = (side // patch) ** 2
    shapes: dict[str, tuple[int, int, Kind]] = {
        **{f"self_attn.{name}": (own, own, "attention") for name in ("q_proj", "k_proj", "v_proj", "out_proj")},
        "mlp.fc1": (own, inner, "feed-forward"),
        "mlp.fc2": (inner, own, "feed-forward"),
    }
    rest = 3 * patch * patch * own + own + patches * own + layers * (4 * own + 4 * own + inner + own) + 2 * own
    rest += own * hidden + own  # the projector, which is no linear layer, and its norm
    linears = _tower_linears("vision_tower.encoder.layers", shapes, layers, "vision")
    return linears, Tower(rest, patches, own, layers, inner)


def _qwen(config: Config, whole: Config, hidden: int) -> tuple[list[Linear], Tower]:
    """Qwen 3.5's. Images come in their own size; 1,024 patches are those of 512 x 512."""
    own, inner, layers = (number(config, name) for name in ("hidden_size", "intermediate_size", "depth"))
    patch, frames = number_or(config, "patch_size", 16), number_or(config, "temporal_patch_size", 2)
    merged = own * number_or(config, "spatial_merge_size", 2) ** 2
    outputs = number_or(config, "out_hidden_size", hidden)
    shapes: dict[str, tuple[int, int, Kind]] = {
        "attn.qkv": (own, 3 * own, "attention"),
        "attn.proj": (own, own, "attention"),
        "mlp.linear_fc1": (own, inner, "feed-forward"),
        "mlp.linear_fc2": (inner, own, "feed-forward"),
    }
    linears = [
        *_tower_linears("visual.blocks", shapes, layers, "vision"),
        Linear("visual.merger.linear_fc1", merged, merged, 1, "", "vision"),
        Linear("visual.merger.linear_fc2", merged, outputs, 1, "", "vision"),
    ]
    rest = 3 * frames * patch * patch * own + own + number_or(config, "num_position_embeddings", 2304) * own
    rest += layers * (4 * own + 3 * own + own + inner + own) + 2 * own + merged + outputs
    return linears, Tower(rest, 1024, own, layers, inner)


def _gemma_4(config: Config, whole: Config, hidden: int) -> tuple[list[Linear], Tower]:
    """Gemma 4's, and the ears beside it."""
    own, inner = number_or(config, "hidden_size", 768), number_or(config, "intermediate_size", 3072)
    layers, heads = number_or(config, "num_hidden_layers", 16), number_or(config, "num_attention_heads", 12)
    head = number_or(config, "head_dim", own // heads)
    width, keys = heads * head, number_or(config, "num_key_value_heads", heads) * head
    patch = number_or(config, "patch_size", 16)
    shapes: dict[str, tuple[int, int, Kind]] = {
        "self_attn.q_proj": (own, width, "attention"),
        "self_attn.k_proj": (own, keys, "attention"),
        "self_attn.v_proj": (own, keys, "attention"),
        "self_attn.o_proj": (width, own, "attention"),
        "mlp.gate_proj": (own, inner, "feed-forward"),
        "mlp.up_proj": (own, inner, "feed-forward"),
        "mlp.down_proj": (inner, own, "feed-forward"),
    }
    linears = _tower_linears("vision_tower.encoder.layers", shapes, layers, "vision")
    linears += [
        Linear("vision_tower.patch_embedder.input_proj", 3 * patch * patch, own, 1, "", "vision"),
        Linear("embed_vision.embedding_projection", own, hidden, 1, "", "vision"),
    ]
    rest = 2 * number_or(config, "position_embedding_size", 10_240) * own + layers * (4 * own + 2 * head)
    audio = whole.get("audio_config")
    if isinstance(audio, Mapping):
        heard, more = _ears(audio, hidden)
        linears, rest = linears + heard, rest + more
    return linears, Tower(rest, 2520, own, layers, inner)


def _ears(config: Config, hidden: int) -> tuple[list[Linear], int]:
    own, layers = number_or(config, "hidden_size", 1024), number_or(config, "num_hidden_layers", 12)
    outputs = number_or(config, "output_proj_dims", 1536)
    kernel, heads = number_or(config, "conv_kernel_size", 5), number_or(config, "num_attention_heads", 8)
    channels = config.get("subsampling_conv_channels") or (128, 32)
    first, second = channels
    shapes: dict[str, tuple[int, int, Kind]] = {
        **{f"feed_forward{n}.ffw_layer_1": (own, 4 * own, "feed-forward") for n in (1, 2)},
        **{f"feed_forward{n}.ffw_layer_2": (4 * own, own, "feed-forward") for n in (1, 2)},
        **{f"self_attn.{name}": (own, own, "attention") for name in ("q_proj", "k_proj", "v_proj", "post")},
        "self_attn.relative_k_proj": (own, own, "attention"),
        "lconv1d.linear_start": (own, 2 * own, ""),
        "lconv1d.linear_end": (own, own, ""),
    }
    linears = _tower_linears("audio_tower.layers", shapes, layers, "audio")
    linears += [
        Linear("audio_tower.subsample_conv_projection.input_proj_linear", own, own, 1, "", "audio"),
        Linear("audio_tower.output_proj", own, outputs, 1, "", "audio"),
        Linear("embed_audio.embedding_projection", outputs, hidden, 1, "", "audio"),
    ]
    rest = first * 9 + first + second * first * 9 + second + outputs
    rest += layers * (own // heads + own * kernel + 9 * own)
    return linears, rest


_TOWERS = {"siglip": _siglip, "gemma3": _siglip, "qwen3_5": _qwen, "gemma4": _gemma_4}
"""Beginnings of a tower's model_type -> what counts it."""
