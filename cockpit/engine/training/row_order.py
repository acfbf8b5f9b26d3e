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


def fix_order(trainer: Any, seed: int) -> None:
    """Let `trainer` draw its groups by length so. Rows in random order are drawn so by accelerate already."""
    make = trainer._get_train_sampler

    def make_fixed(*args: Any, **kwargs: Any) -> Any:
        sampler = make(*args, **kwargs)
        if type(sampler) is LengthGroupedSampler:
            sampler.__class__ = LengthsOfEpoch
            sampler.seed = seed
        return sampler

    trainer._get_train_sampler = make_fixed
