"""What the files of a saved adapter tell of it before it is loaded"""

from __future__ import annotations

import contextlib
from pathlib import Path

from cockpit.models.folder import read_json
from cockpit.models.weights_file import NOT_READABLE, shapes_of

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
EMBEDDINGS = ("embed_tokens.weight", "lm_head.weight", "wte.weight", "embed_in.weight", "embed_out.weight")
"""Ends of the names of whole matrices of embeddings, in most models."""


def rows_needed(saved: Path) -> int:
    """Rows that the embeddings of the base must have for the adapter in the folder; 0 where it says nothing of them."""
    indices = read_json(saved / CONFIG).get("trainable_token_indices")
    lists = list(indices.values()) if isinstance(indices, dict) else [indices]
    needed = [id + 1 for ids in lists if isinstance(ids, list) for id in ids if isinstance(id, int)]
    with contextlib.suppress(EOFError, *NOT_READABLE):
        shapes = shapes_of(saved / WEIGHTS)
        needed += [shape[0] for name, shape in shapes.items() if name.endswith(EMBEDDINGS)]
    return max(needed, default=0)
