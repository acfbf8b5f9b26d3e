"""RowLossWriter: the loss of each row that is trained on, from what the step computes anyway, written to a file"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from cockpit.text.numbers import finite
from cockpit.text.plain_text import plain_line

TOKENS_AT_ONCE = 1024
"""Whose logits are made float32 at a time."""


class RowLossWriter(TrainerCallback):
    """A line for each step that is finished. The trainer gives it each batch, the model what it makes of that."""

    def __init__(self, path: Path, names: RowNames, warn: Callable[[str], None]) -> None:
        """Adds to the file at `path`. `warn` is told, once, where it cannot be written."""
        self._path, self._names, self._warn = path, names, warn
        self._batch: dict[str, torch.Tensor] | None = None
        self._done: list[tuple[dict[str, torch.Tensor], torch.Tensor]] = []
        self._failed = False

    def take_batch(self, inputs: dict[str, Any]) -> None:
        """What the model is about to be given to train on."""
        names = ("input_ids", "labels", "attention_mask", "position_ids")
        self._batch = {name: inputs[name] for name in names if inputs.get(name) is not None}

    def take_output(self, model: Any, arguments: Any, output: Any) -> None:
        """A forward hook of the model. Raises RunFailure where its output does not tell the tokens' losses."""
        batch, self._batch = self._batch, None
        if batch is None:
            return  # an evaluation, or a reply
        self._done.append((batch, token_losses(output, batch["labels"])))

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """What a step that was dropped has left counts for nothing."""
        self._done = []

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write the step's rows."""
        done, self._done = self._done, []
        if self._failed:
            return
        rows = [row for batch, losses in done for row in self._rows(batch, losses.cpu().numpy())]
        try:
            with open_to_append(self._path) as stream:
                stream.write(msgspec.json.encode(StepRows(state.global_step, rows)) + b"\n")
                size = stream.tell()
            if size > LIMIT_BYTES:
                first = forget_older_half(self._path)
                limit = f"as {self._path.name} holds at most {LIMIT_BYTES >> 20} MiB"
                self._warn(f"The loss by row is kept from step {first:,} on, {limit}.")
        except OSError as error:
            self._failed = True
            why = plain_line(error.strerror or str(error))
            self._warn(f"The loss by row is not kept from step {state.global_step:,} on: {self._path.name}: {why}.")

    def _rows(self, batch: dict[str, torch.Tensor], losses: Any) -> Iterator[RowLoss]:
        ids, labels = (batch[name].cpu().numpy() for name in ("input_ids", "labels"))
        for at, begin, end in row_bounds(batch):
            has_loss = labels[at, begin + 1 : end] != IGNORED
            tokens = int(has_loss.sum())
            if tokens:
                loss = float(losses[at, begin : end - 1][has_loss].mean(dtype=np.float64))
                where = self._names.where(ids[at, begin:end], labels[at, begin:end])
                yield RowLoss(where or "a row that the data does not have", finite(loss), tokens)


def token_losses(output: Any, labels: torch.Tensor) -> torch.Tensor:
    """[sequences, tokens - 1] float32: of each token but the first, from a model's output for `labels`; whatever where
    there is no label. Raises RunFailure where the output has neither TRL's log_probs nor logits."""
    log_probs, logits = (getattr(output, name, None) for name in ("log_probs", "logits"))
    wanted = labels[:, 1:]
    if isinstance(log_probs, torch.Tensor) and log_probs.shape == wanted.shape:
        return -log_probs.detach().float()
    if not isinstance(logits, torch.Tensor) or logits.shape[:2] != labels.shape:
        reason = "This model does not give the loss of single tokens, and output.row_losses asks for that of rows."
        raise RunFailure(reason, "Set output.row_losses to false.")
    with torch.no_grad():
        parts = zip(
            logits.detach()[:, :-1].split(TOKENS_AT_ONCE, 1),
            wanted.to(logits.device).split(TOKENS_AT_ONCE, 1),
            strict=True,
        )
        found = [
            torch.nn.functional.cross_entropy(part.float().transpose(1, 2), of, ignore_index=IGNORED, reduction="none")
            for part, of in parts
        ]
        return torch.cat(found, 1)


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
