"""gpt-oss as Unsloth publishes it in four bits: each expert a layer of its own, nf4 with double quantisation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

QUANTIZATION = {
    "quant_method": "bitsandbytes",
    "load_in_4bit": True,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": True,
    "bnb_4bit_compute_dtype": "bfloat16",
    "llm_int8_skip_modules": ["router", "lm_head", "embed_tokens"],
}
ATTENTION = ("q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight")
EXPERTS = {"gate_up_proj": "gate_up_projs", "down_proj": "down_projs"}


def save_in_four_bits(model: Any, place: Path) -> None:
    """Write configuration and weights of a GptOssForCausalLM; `place` need not be there."""
    from safetensors.torch import save_file

    place.mkdir(parents=True, exist_ok=True)
    save_file(dict(_tensors(model)), place / "model.safetensors", {"format": "pt"})
    settings = model.config.to_dict() | {"quantization_config": QUANTIZATION}
    (place / "config.json").write_text(json.dumps(settings, indent=2))
    model.generation_config.save_pretrained(place)


def _tensors(model: Any) -> Iterator[tuple[str, Any]]:
    for name, tensor in model.state_dict().items():
        stem, _, last = name.rpartition(".")
        if stem.endswith(".mlp.router"):
            yield f"{stem}.linear.{last}", tensor.cpu()
        elif stem.endswith(".mlp.experts"):
            yield from _split(stem, last, tensor)
        elif name.endswith(ATTENTION):
            yield from _in_four_bits(name, tensor)
        else:
            yield name, tensor.cpu()


def _split(stem: str, last: str, tensor: Any) -> Iterator[tuple[str, Any]]:
    """`tensor` holds all experts; its matrices are (in, out), those of a layer (out, in)."""
    kind = EXPERTS[last.removesuffix("_bias")]
    for number, one in enumerate(tensor):
        if last.endswith("_bias"):
            yield f"{stem}.{kind}.{number}.bias", one.clone().cpu()
        else:
            yield from _in_four_bits(f"{stem}.{kind}.{number}.weight", one.T.contiguous())


def _in_four_bits(name: str, weight: Any) -> Iterator[tuple[str, Any]]:
    from bitsandbytes.functional import quantize_4bit

    packed, state = quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
    yield name, packed.cpu()
    for part, value in state.as_dict(packed=True).items():
        yield f"{name}.{part}", value.cpu()
