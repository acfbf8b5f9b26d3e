"""Rows grouped by length, in an order that depends on seed and epoch alone: a run that goes on finds it again"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from transformers.trainer_pt_utils import LengthGroupedSampler


class LengthsOfEpoch(LengthGroupedSampler):
    """As its base; the order is drawn anew from `seed` and the epoch each time, not from what was drawn before."""

    seed = 0
    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the data loader before each pass."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self.generator = torch.Generator().manual_seed(self.seed + self.epoch)
        return super().__iter__()


def in_fixed_order(sampler: Any, seed: int, ranks: int = 1, rows: int | None = None) -> Any:
    """A sampler that groups by length, made to draw so; others as they are: accelerate draws random orders so.

    It groups what all `ranks` take in a step, of the first `rows` rows where these are given."""
    if type(sampler) is not LengthGroupedSampler:
        return sampler
    fixed = LengthsOfEpoch(sampler.batch_size * ranks, lengths=sampler.lengths[:rows])
    fixed.seed = seed
    return fixed
