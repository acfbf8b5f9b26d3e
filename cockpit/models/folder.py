"""What the files of a model's folder tell of it before it is loaded: config.json and the headers of its weights."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from cockpit.disk import read_regular
from cockpit.models.weights_file import NOT_READABLE, defect_of_safetensors, shapes_of
from cockpit.paths import kind_of

TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json", "spiece.model")
"""One of them is in the folder of every model with a tokenizer."""
_kept_16_bit = re.compile(
    r"lm_head|embed|vision|visual|image|patch|audio|multi_modal|mm_projector|router|mlp\.gate\.|norm|bias"
)
"""Names of tensors that a 4-bit or 8-bit load leaves as they are."""
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
"""What configs call the number of experts."""


@dataclass(frozen=True)
class ModelFolder:
    """A folder with config.json and weights. `config` is empty where there is none that can be read."""

    path: Path
    config: dict[str, Any]

    @classmethod
    def at(cls, path: Path) -> ModelFolder:
        """The model in the folder `path`, which need not be there."""
        return cls(path, read_json(path / "config.json"))

    @property
    def architectures(self) -> list[str]:
        """Names of the model's classes, as its config has them."""
        named = self.config.get("architectures")
        return [kind for kind in named if isinstance(kind, str)] if isinstance(named, list) else []

    @property
    def model_type(self) -> str:
        """transformers' name of the family; empty where the config has none."""
        return str(self.config.get("model_type") or "")

    @property
    def is_vision(self) -> bool:
        """Whether it counts as a model of images and text, and asks for a processor."""
        named_so = any(kind.endswith("ForConditionalGeneration") for kind in self.architectures)
        return isinstance(self.config.get("vision_config"), dict) or named_so

    @property
    def quantized(self) -> str:
        """How the weights in the files are quantised already (nf4, fp4, int8, mxfp4, gptq ...); empty where not."""
        settings = self.config.get("quantization_config")
        if not isinstance(settings, dict):
            return ""
        if settings.get("load_in_4bit"):
            return str(settings.get("bnb_4bit_quant_type") or "fp4")
        return "int8" if settings.get("load_in_8bit") else str(settings.get("quant_method") or "").lower()

    @property
    def has_experts(self) -> bool:
        """Whether it is a mixture of experts."""
        parts = (self.config, *(value for value in self.config.values() if isinstance(value, dict)))
        counts = [part.get(name) for part in parts for name in EXPERTS]
        return any(isinstance(count, int) and count > 1 for count in counts)

    @property
    def is_unsloths_own(self) -> bool:
        """Whether it is a gpt-oss in four bits: plain transformers has no such layers as its experts are."""
        return self.model_type == "gpt_oss" and self.quantized in ("nf4", "fp4")

    @functools.cached_property
    def weights(self) -> list[Path]:
        """The safetensors files, else the older *.bin files; empty where the model has neither. Consolidated files are
        the same weights once more, in their maker's own form."""
        try:
            files = sorted(path for path in self.path.iterdir() if path.is_file())
        except OSError:
            return []
        every = [path for path in files if path.suffix == ".safetensors"]
        safe = [path for path in every if not path.name.startswith("consolidated")] or every
        return safe or [path for path in files if path.suffix == ".bin" and path.name != "training_args.bin"]

    def missing_shards(self) -> list[str]:
        """Weights that the index names and the folder does not hold."""
        for index in ("model.safetensors.index.json", "pytorch_model.bin.index.json"):
            named = read_json(self.path / index).get("weight_map")
            if isinstance(named, dict):
                shards = {str(shard) for shard in named.values()}
                return sorted(shard for shard in shards if kind_of(self.path / shard) != "file")
        return []

    def truncated_file(self) -> str:
        """Name of the first safetensors file that is not what its header says, or none at all; empty where all are
        whole."""
        files = (path for path in self.weights if path.suffix == ".safetensors")
        return next((path.name for path in files if defect_of_safetensors(path)), "")

    def loaded_bytes(self, quantization: str, *, full_precision: bool = False) -> int | None:
        """Bytes of the weights alone once they are loaded as `quantization` (none, nf4, int8) asks, unquantised ones in
        16 bits or with `full_precision` in 32; None where the files do not tell."""
        if not self.weights or self.weights[0].suffix != ".safetensors":
            return None
        if self.quantized:
            return sum(path.stat().st_size for path in self.weights)
        wide = 4 if full_precision else 2
        # A scale in 8 bits for each 64 weights comes to nf4.
        small = {"nf4": 0.516, "int8": 1.0}.get(quantization, wide)
        try:
            versions = [(path, path.stat()) for path in self.weights]
            sizes = [_bytes_of(path, (one.st_size, one.st_mtime_ns), small, wide) for path, one in versions]
        except (EOFError, *NOT_READABLE):
            return None
        return round(sum(sizes))


@functools.lru_cache(maxsize=1024)
def _bytes_of(path: Path, version: tuple[int, int], small: float, wide: float) -> float:
    """Of a file's tensors, at so many bytes a weight. `version` changes whenever the file does."""
    total = 0.0
    for name, shape in shapes_of(path).items():
        is_linear = len(shape) == 2 and not _kept_16_bit.search(name)
        total += prod(shape) * (small if is_linear else wide)
    return total


LONGEST_JSON = 1 << 26
"""Bytes of a JSON file that says what a model is."""


def read_json(path: Path) -> dict[str, Any]:
    """The object in the file; empty where there is none that can be read."""
    try:
        content = json.loads(read_regular(path, LONGEST_JSON))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
