"""Tokenized answers -> padded batches, in the words of TRL's preference trainers"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from cockpit.engine.data.token_rows import IGNORED

Row = dict[str, Any]


class PreferenceCollator:
    """Pairs -> input_ids, attention_mask and completion_mask, int64 [2 x pairs, tokens]: the better answers first. The
    mask of the completion is where a loss is taken."""

    def __init__(self, pad_token_id: int, multiple: int | None) -> None:
        self._pad, self._multiple = pad_token_id, multiple

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """The batch."""
        ids = [row[f"{side}_ids"] for side in ("chosen", "rejected") for row in rows]
        labels = [row[f"{side}_labels"] for side in ("chosen", "rejected") for row in rows]
        return padded(ids, labels, self._pad, self._multiple)


class OddsCollator:
    """Pairs -> input_ids, attention_mask and labels of either side, with chosen_ or rejected_ before their names, int64
    [pairs, tokens]."""

    def __init__(self, pad_token_id: int, multiple: int | None) -> None:
        self._pad, self._multiple = pad_token_id, multiple

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """The batch."""
        batch: dict[str, torch.Tensor] = {}
        for side in ("chosen", "rejected"):
            ids, labels = [row[f"{side}_ids"] for row in rows], [row[f"{side}_labels"] for row in rows]
            one = padded(ids, labels, self._pad, self._multiple)
            learnt = one.pop("completion_mask").bool()
            one["labels"] = torch.where(learnt, one["input_ids"], IGNORED)
            batch |= {f"{side}_{name}": values for name, values in one.items()}
        return batch


class MarkedCollator:
    """Answers with a mark -> as above, and label, bool [rows]; KL_ before the three names: each prompt with the answer
    of the row before it, which KTO estimates its reference point by."""

    def __init__(self, pad_token_id: int, multiple: int | None, *, with_kl: bool) -> None:
        self._pad, self._multiple, self._with_kl = pad_token_id, multiple, with_kl

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """The batch."""
        ids, labels = [row["input_ids"] for row in rows], [row["labels"] for row in rows]
        batch = padded(ids, labels, self._pad, self._multiple)
        batch["label"] = torch.tensor([row["label"] for row in rows])
        if self._with_kl:
            starts = [_prompt_tokens(one) for one in labels]
            moved = [*range(-1, len(rows) - 1)]
            crossed = [np.concatenate([ids[at][: starts[at]], ids[by][starts[by] :]]) for at, by in enumerate(moved)]
            masked = [
                np.concatenate([np.full(starts[at], IGNORED, np.int32), labels[by][starts[by] :]])
                for at, by in enumerate(moved)
            ]
            batch |= {f"KL_{name}": one for name, one in padded(crossed, masked, self._pad, self._multiple).items()}
        return batch


def padded(
    ids: Sequence[Any], labels: Sequence[Any], pad_token_id: int, multiple: int | None
) -> dict[str, torch.Tensor]:
    """input_ids, attention_mask and completion_mask, int64 [rows, tokens], padded on the right to the longest row, or
    to a `multiple` of tokens."""
    longest = max(map(len, ids))
    longest = -(-longest // multiple) * multiple if multiple else longest
    shape = (len(ids), longest)
    batch = {
        "input_ids": torch.full(shape, pad_token_id, dtype=torch.int64),
        "attention_mask": torch.zeros(shape, dtype=torch.int64),
        "completion_mask": torch.zeros(shape, dtype=torch.int64),
    }
    for at, (tokens, marks) in enumerate(zip(ids, labels, strict=True)):
        batch["input_ids"][at, : len(tokens)] = torch.from_numpy(np.array(tokens, np.int64))
        batch["attention_mask"][at, : len(tokens)] = 1
        batch["completion_mask"][at, : len(tokens)] = torch.from_numpy((np.asarray(marks) != IGNORED).astype(np.int64))
    batch["completion_mask"][:, 0] = 0  # the first token is never predicted
    return batch


def _prompt_tokens(labels: Any) -> int:
    """Tokens before the first one with a loss."""
    return int(np.argmax(np.asarray(labels) != IGNORED))
