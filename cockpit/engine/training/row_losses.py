"""RowLossWriter: the loss of each row that is trained on, from what the step computes, written to a file"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from cockpit.data.row_losses import LIMIT_BYTES, RowLoss, StepRows, forget_older_half
from cockpit.disk import open_to_append
from cockpit.engine.data.row_names import RowNames
from cockpit.engine.data.token_rows import IGNORED
from cockpit.engine.errors import RunFailure
from cockpit.engine.training.token_losses import HeadInput, from_output
from cockpit.text.numbers import finite
from cockpit.text.plain_text import plain_line

NEAR = 0.02
"""The rows' losses give the model's own within this, relatively: 16-bit kernels round in an order of their own."""


@dataclass(frozen=True)
class _Taken:
    """A batch, the losses of its tokens, the model's own loss of it (None where there is none, or experts add to it),
    and by how many tokens that is divided."""

    batch: dict[str, torch.Tensor]
    losses: torch.Tensor
    loss: torch.Tensor | None
    items: torch.Tensor | int | None


class RowLossWriter(TrainerCallback):
    """A line for each step that is finished. The trainer gives it each batch, the model what it makes of that."""

    def __init__(self, path: Path, names: RowNames, warn: Callable[[str], None]) -> None:
        """Adds to the file at `path`. `warn` is told, once, where it cannot be written."""
        self._path, self._names, self._warn = path, names, warn
        self._batch: dict[str, torch.Tensor] | None = None
        self._done: list[_Taken] = []
        self._head: HeadInput | None = None
        self._has_written = self._failed = False

    def listen(self, model: Any, *, gives_no_logits: bool) -> None:
        """To what the model makes of each batch. `gives_no_logits`: it takes its loss in pieces, as Unsloth's do."""
        if gives_no_logits:
            self._head = HeadInput(model, lambda: None if self._batch is None else self._batch["labels"])
        model.register_forward_hook(self._take_output, with_kwargs=True)

    def take_batch(self, inputs: dict[str, Any]) -> None:
        """What the model is about to be given to train on."""
        names = ("input_ids", "labels", "attention_mask", "position_ids")
        self._batch = {name: inputs[name] for name in names if inputs.get(name) is not None}

    def _take_output(self, model: Any, arguments: Any, named: dict[str, Any], output: Any) -> None:
        """Raises RunFailure where the losses of single tokens cannot be told."""
        batch, self._batch = self._batch, None
        if batch is None:
            return  # an evaluation, or a reply
        losses = self._head.take() if self._head is not None else None
        if losses is None:
            losses = from_output(output, batch["labels"])
        if losses is None:
            reason = "This model does not give the loss of single tokens, and output.row_losses asks for that of rows."
            raise RunFailure(reason, "Set output.row_losses to false.")
        loss = getattr(output, "loss", None) if getattr(output, "aux_loss", None) is None else None
        own = loss.detach() if isinstance(loss, torch.Tensor) else None
        self._done.append(_Taken(batch, losses, own, named.get("num_items_in_batch")))

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """What a step that was dropped has left counts for nothing."""
        self._done = []

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write the step's rows. Raises RunFailure where those of the first one do not give the model's own loss."""
        done, self._done = self._done, []
        if self._failed:
            return
        rows = [row for taken in done for row in self._rows(taken)]
        if not all(map(_is_true, done)):
            if not self._has_written:
                reason = (
                    "This model's loss is not the mean over its tokens, so output.row_losses cannot tell that of rows."
                )
                raise RunFailure(reason, "Set output.row_losses to false.")
            self._failed = True
            why = "the model's own loss is another than that of its tokens"
            self._warn(f"The loss by row is not kept from step {state.global_step:,} on: {why}.")
            return
        try:
            with open_to_append(self._path) as stream:
                stream.write(msgspec.json.encode(StepRows(state.global_step, rows)) + b"\n")
                size = stream.tell()
            self._has_written = True
            if size > LIMIT_BYTES:
                first = forget_older_half(self._path)
                limit = f"as {self._path.name} holds at most {LIMIT_BYTES >> 20} MiB"
                self._warn(f"The loss by row is kept from step {first:,} on, {limit}.")
        except OSError as error:
            self._failed = True
            why = plain_line(error.strerror or str(error))
            self._warn(f"The loss by row is not kept from step {state.global_step:,} on: {self._path.name}: {why}.")

    def _rows(self, taken: _Taken) -> Iterator[RowLoss]:
        batch, losses = taken.batch, taken.losses.cpu().numpy()
        ids, labels = (batch[name].cpu().numpy() for name in ("input_ids", "labels"))
        for at, begin, end in row_bounds(batch):
            has_loss = labels[at, begin + 1 : end] != IGNORED
            tokens = int(has_loss.sum())
            if tokens:
                loss = float(losses[at, begin : end - 1][has_loss].mean(dtype=np.float64))
                where = self._names.where(ids[at, begin:end], labels[at, begin:end])
                yield RowLoss(where or "a row that the data does not have", finite(loss), tokens)


def _is_true(taken: _Taken) -> bool:
    """Whether the tokens' losses add up to the model's own."""
    if taken.loss is None:
        return True
    of_rows = _has_loss(taken.batch)
    total = float(torch.where(of_rows.to(taken.losses.device), taken.losses, 0.0).sum())
    own, tokens = float(taken.loss), int(of_rows.sum())
    if not tokens or not math.isfinite(own) or not math.isfinite(total):
        return True
    # Some models leave the number of a step's tokens aside, and take the mean over the batch.
    counts = {tokens, tokens if taken.items is None else int(taken.items)}
    return any(math.isclose(total / count, own, rel_tol=NEAR, abs_tol=NEAR / 100) for count in counts)


def _has_loss(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """[sequences, tokens - 1]: of which tokens but the first a loss is taken; the first of a joined row has none."""
    found = batch["labels"][:, 1:] != IGNORED
    positions = batch.get("position_ids")
    return found if positions is None else found & (positions[:, 1:] != 0)


def row_bounds(batch: dict[str, torch.Tensor]) -> Iterator[tuple[int, int, int]]:
    """(sequence, begin, end) of each row of a batch: one a sequence, without its padding, or several where positions
    begin anew at each; there a token of padding counts as a row."""
    sequences, length = batch["input_ids"].shape
    positions, mask = batch.get("position_ids"), batch.get("attention_mask")
    for at in range(sequences):
        if positions is not None:
            begins = torch.nonzero(positions[at] == 0).flatten().tolist()
            yield from ((at, begin, end) for begin, end in zip(begins, [*begins[1:], length], strict=True))
        elif mask is not None:
            there = torch.nonzero(mask[at]).flatten()
            yield at, int(there[0]), int(there[-1]) + 1
        else:
            yield at, 0, length
