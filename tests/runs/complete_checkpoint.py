"""A checkpoint that is whole as far as can be told without loading it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path


def write_safetensors(path: Path, numbers: int = 4) -> Path:
    """One tensor of 32-bit zeros."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [numbers], "data_offsets": [0, 4 * numbers]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4 * numbers))
    return path


def write_checkpoint(folder: Path, step: int) -> Path:
    """All files that one has, in `folder`/checkpoint-`step`."""
    place = folder / f"checkpoint-{step}"
    place.mkdir(parents=True)
    (place / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    write_safetensors(place / "adapter_model.safetensors")
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        with zipfile.ZipFile(place / name, "w") as content:
            content.writestr("data", b"x" * 1000)
    return place
