"""Models of real architectures and sizes whose weights are all zero: files with holes, written in no time.

usage: python -m tests.bench.hollow_models FOLDER NAME...     write FOLDER/NAME, for names of tests.bench.random_models
Memory does not depend on the values; 16 GB of weights take no disk and no seconds. What speed or loss would say of such
a model means nothing.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.bench.random_models import make_config, make_tokenizer, shape_of, write_processor

READY = "written"
"""A file in the folder, once it is whole."""


def write_model(name: str, folder: Path) -> Path:
    """Write `folder`/`name`: configuration, tokenizer, processor where it sees, and weights in bfloat16."""
    import torch
    import transformers

    place = folder / name
    if (place / READY).exists():
        return place
    shape = shape_of(name)
    tokenizer = make_tokenizer(shape.family, place)
    config = make_config(name, tokenizer)
    config.dtype = torch.bfloat16
    with torch.device("meta"):
        model = getattr(transformers, shape.model)(config)
    config.save_pretrained(place)
    write_processor(shape, config, tokenizer, place)
    shapes = {key: list(weight.shape) for key, weight in model.named_parameters()}  # a shared matrix once
    write_zeros(place / "model.safetensors", shapes)
    (place / READY).touch()
    return place


def write_zeros(path: Path, shapes: dict[str, list[int]]) -> None:
    """A safetensors file of bfloat16 zeros, which takes the space of its header."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for key, shape in shapes.items():
        size = 2
        for length in shape:
            size *= length
        header[key] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    content = json.dumps(header).encode()
    content += b" " * (-len(content) % 8)
    with path.open("wb") as file:
        file.write(len(content).to_bytes(8, "little") + content)
        file.truncate(8 + len(content) + end)


def main() -> None:
    """Write the models that were named."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    for name in sys.argv[2:]:
        print(write_model(name, Path(sys.argv[1])), flush=True)


if __name__ == "__main__":
    main()
