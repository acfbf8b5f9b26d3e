"""Models of real architectures and sizes whose layers are all zero: files with holes, written in no time.

usage: python -m tests.bench.hollow_models FOLDER NAME...     write FOLDER/NAME, for names of tests.bench.random_models
Memory does not depend on the values; the layers' weights take no disk and no seconds. What speed or loss would say of
such a model means nothing. Embeddings and head hold SMALL: Unsloth takes a row of zeros for a token that was never
trained, and refuses rows with such tokens after minutes of counting them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.bench.random_models import make_config, make_tokenizer, shape_of, write_processor

SMALL = bytes.fromhex("233c")
"""0.00995 in bfloat16, as it lies in the file."""
CHUNK = 1 << 26
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
    write_hollow(place / "model.safetensors", shapes)
    (place / READY).touch()
    return place


def write_hollow(path: Path, shapes: dict[str, list[int]]) -> None:
    """A safetensors file of bfloat16 zeros that takes no space, but for embeddings and head, which hold SMALL."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    filled: list[tuple[int, int]] = []
    end = 0
    for key, shape in shapes.items():
        size = 2
        for length in shape:
            size *= length
        header[key] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        if "embed_tokens" in key or "lm_head" in key:
            filled.append((end, end + size))
        end += size
    content = json.dumps(header).encode()
    content += b" " * (-len(content) % 8)
    with path.open("wb") as file:
        file.write(len(content).to_bytes(8, "little") + content)
        file.truncate(8 + len(content) + end)
        for begin, beyond in filled:
            file.seek(8 + len(content) + begin)
            for at in range(begin, beyond, CHUNK):
                file.write(SMALL * (min(CHUNK, beyond - at) // 2))


def main() -> None:
    """Write the models that were named."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    for name in sys.argv[2:]:
        print(write_model(name, Path(sys.argv[1])), flush=True)


if __name__ == "__main__":
    main()
