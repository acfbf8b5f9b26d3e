"""Rows that fill the last round of several ranks, and teach nothing: each step has the rows that one rank would take

A round has a micro-batch for each rank. Where the rows of an epoch do not make a whole number of rounds, accelerate
would take rows of its beginning a second time, which changes the epoch's last step. Here rows of two tokens without
loss stand in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from accelerate.data_loader import SeedableRandomSampler
from torch.utils.data import RandomSampler, Sampler

from cockpit.engine.data.prepare import PreparedData
from cockpit.engine.data.token_rows import IGNORED
from cockpit.engine.journal import Journal
from cockpit.engine.rank import Ranks
from cockpit.recipe.recipe import Recipe

TOKENS = 2
"""Of a row that fills."""


def fill_rounds(
    recipe: Recipe, data: PreparedData, ranks: Ranks, journal: Journal
) -> tuple[PreparedData, tuple[int | None, int | None]]:
    """The rows for several ranks, which all have as many batches, and how many of those that are trained on and
    measured are not there to fill only; None where none of them is."""
    if not ranks.are_several:
        return data, (None, None)
    if not {"input_ids", "labels"} <= set(getattr(data.train, "column_names", ())):
        journal.log("info", "Where the rows make no whole number of rounds, an epoch's first ones come a second time.")
        return data, (None, None)
    training, held_out = recipe.training, data.held_out
    size = training.per_device_train_batch_size
    measured = training.per_device_eval_batch_size or size
    rows = len(data.train), None if held_out is None else len(held_out)
    if held_out is not None:
        held_out = filled(held_out, measured * ranks.world)
    return replace(data, train=filled(data.train, size * ranks.world), held_out=held_out), rows


def filled(dataset: Any, round_rows: int) -> Any:
    """A datasets.Dataset of the rows of `dataset` and those that fill, a multiple of `round_rows` in all."""
    from datasets import Dataset, concatenate_datasets

    missing = -len(dataset) % round_rows
    if not missing:
        return dataset
    ids = dataset[0]["input_ids"][:TOKENS]
    ids += ids[-1:] * (TOKENS - len(ids))
    values: dict[str, list[Any]] = {"input_ids": ids, "labels": [IGNORED] * TOKENS, "seq_lengths": [TOKENS]}
    columns = {name: [values[name]] * missing for name in dataset.column_names}
    return concatenate_datasets([dataset, Dataset.from_dict(columns, features=dataset.features)])


class FilledSampler(Sampler[int]):
    """The rows of `order`, which are the first ones, and then those that fill, up to `total`.

    It asks for the `epoch` itself: accelerate tells a sampler of it, but not the one of a rank that resumes."""

    def __init__(self, order: Any, total: int, epoch: Callable[[], int]) -> None:
        self._order, self._total, self._epoch = order, total, epoch

    def __len__(self) -> int:
        return self._total

    def __iter__(self) -> Iterator[int]:
        if hasattr(self._order, "set_epoch"):
            self._order.set_epoch(self._epoch())
        rows = list(self._order)
        yield from rows
        yield from range(len(rows), self._total)


def fill_order(sampler: Any, rows: int, total: int, epoch: Callable[[], int]) -> Any:
    """`sampler` of a filled dataset, of which the first `rows` teach: these in the order in which one rank has them in
    the pass of that number, from 0."""
    if isinstance(sampler, RandomSampler):
        # What accelerate makes of it, which it would not find within another sampler.
        sampler = SeedableRandomSampler(range(rows), generator=torch.Generator())
    return FilledSampler(sampler, total, epoch)


def filling_tokens(inputs: dict[str, Any]) -> int | torch.Tensor:
    """How many tokens of a batch are those of rows that fill; padding is none of them."""
    labels, mask, positions = inputs["labels"], inputs.get("attention_mask"), inputs.get("position_ids")
    if isinstance(mask, torch.Tensor) and mask.dim() == 2:
        return TOKENS * ((mask.sum(-1) == TOKENS) & (labels == IGNORED).all(-1).to(mask.device)).sum()
    if isinstance(positions, torch.Tensor) and positions.shape == labels.shape:
        ends = torch.nn.functional.pad(positions[..., 1:], (0, 1)) == 0
        return TOKENS * (ends & (positions == TOKENS - 1) & (labels == IGNORED).to(positions.device)).sum()
    return TOKENS * (labels == IGNORED).all(-1).sum() if labels.shape[-1] == TOKENS else 0
