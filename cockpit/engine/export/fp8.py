"""A merged model in 16 bits -> the same with linear layers in 8-bit floats, as vLLM and compressed-tensors read them

The scheme is the one that llm-compressor calls FP8_DYNAMIC: weights in float8_e4m3fn with one scale for each output
channel, activations rounded token by token while the model runs. It needs no calibration.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cockpit.engine.errors import RunFailure
from cockpit.models.folder import read_json

LARGEST = 448.0
"""What float8_e4m3fn holds at most."""
KEPT = re.compile(r"vision|visual|audio|projector|embed|linear_attn|(^|\.)(gate|router|lm_head)(\.|$)")
"""Linear layers that stay in 16 bits, as those who publish such models leave them."""
INDEX = "model.safetensors.index.json"
OTHERWISE = "Give merged-16bit, and let vLLM round it while it loads: vllm serve FOLDER --quantization fp8."
CHANNELS = {"num_bits": 8, "type": "float", "symmetric": True, "strategy": "channel", "dynamic": False}
TOKENS = {"num_bits": 8, "type": "float", "symmetric": True, "strategy": "token", "dynamic": True}


def round_to_fp8(place: Path, *, trust_remote_code: bool) -> None:
    """Round the merged model in the folder `place`, one of its files after another, and let its config say so. Raises
    RunFailure where its files name layers otherwise than its code."""
    rounded, kept = _linear_layers(place, trust_remote_code=trust_remote_code)
    files = sorted(place.glob("*.safetensors"))
    missing = rounded - {name.removesuffix(".weight") for file in files for name in _names_in(file)}
    if missing or not rounded:
        wrong = f"holds no weights of {min(missing)}" if missing else "has no linear layers that could be rounded"
        raise RunFailure(f"The merged model cannot be rounded to 8 bits: it {wrong}.", OTHERWISE)
    for file in files:
        _round_file(file, rounded)
    _write_index(place, files)
    config = read_json(place / "config.json")
    config["quantization_config"] = _scheme(sorted(kept))
    _write_json(place / "config.json", config)


def rounded_channels(weight: Any) -> tuple[Any, Any]:
    """`weight` [out, in] as float8_e4m3fn, and the scale [out, 1] of each output channel in the weight's own dtype."""
    import torch

    largest = weight.abs().amax(dim=1, keepdim=True).float()
    scale = torch.where(largest == 0, 1.0, largest / LARGEST).to(weight.dtype)
    return (weight.float() / scale.float()).clamp(-LARGEST, LARGEST).to(torch.float8_e4m3fn), scale


def _linear_layers(place: Path, *, trust_remote_code: bool) -> tuple[set[str], set[str]]:
    """Names of the linear layers that are rounded, and of those that stay, as the model's own code has them."""
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(place, trust_remote_code=trust_remote_code)
    kind = getattr(transformers, str((config.architectures or [""])[0]), None)
    if kind is None:
        raise RunFailure("The merged model's code is not part of transformers, so its layers are not known.", OTHERWISE)
    with torch.device("meta"):
        model = kind(config)
    if any(weight.dim() == 3 and "expert" in name for name, weight in model.named_parameters()):
        raise RunFailure("The merged model keeps its experts in one weight, which is not rounded to 8 bits.", OTHERWISE)
    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    kept = {name for name in linear if KEPT.search(name)}
    return linear - kept, kept


def _names_in(file: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(file, "pt") as weights:
        return list(weights.keys())


def _round_file(file: Path, rounded: set[str]) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    written: dict[str, Any] = {}
    with safe_open(file, "pt") as weights:
        for name in list(weights.keys()):
            weight, layer = weights.get_tensor(name), name.removesuffix(".weight")
            if name.endswith(".weight") and layer in rounded:
                written[name], written[f"{layer}.weight_scale"] = rounded_channels(weight)
            else:
                written[name] = weight
    partial = file.with_suffix(".partial")
    save_file(written, partial, {"format": "pt"})
    partial.replace(file)


def _write_index(place: Path, files: list[Path]) -> None:
    """Name the scales too, where there is an index of several files."""
    if not (place / INDEX).exists():
        return
    index = read_json(place / INDEX)
    index["weight_map"] = {name: file.name for file in files for name in _names_in(file)}
    index["metadata"] = {**index.get("metadata", {}), "total_size": sum(file.stat().st_size for file in files)}
    _write_json(place / INDEX, index)


def _scheme(kept: list[str]) -> dict[str, Any]:
    """The config's word on it, in the form of compressed-tensors."""
    group = {"targets": ["Linear"], "weights": CHANNELS, "input_activations": TOKENS, "output_activations": None}
    return {
        "quant_method": "compressed-tensors",
        "format": "float-quantized",
        "quantization_status": "compressed",
        "config_groups": {"group_0": group},
        "ignore": kept,
        "kv_cache_scheme": None,
    }


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
