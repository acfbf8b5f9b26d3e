"""TrainerState: what transformers' Trainer puts beside each checkpoint: how far it is, and all that it has logged"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from cockpit.disk import read_regular
from cockpit.protocol.values import UNREADABLE
from cockpit.watching.entries import Entry, entry_of

NAME, LONGEST = "trainer_state.json", 1 << 27


class _Read(msgspec.Struct):
    global_step: int = 0
    max_steps: int = 0
    num_train_epochs: float = 0.0
    train_batch_size: int | None = None
    log_history: list[dict[str, Any]] = []


@dataclass(frozen=True)
class TrainerState:
    """`max_steps` and `epochs` are 0 where they are not known. `entries` have no time of their own."""

    path: Path
    step: int = 0
    max_steps: int = 0
    epochs: float = 0.0
    train_batch_size: int | None = None
    entries: list[Entry] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> TrainerState | None:
        """None where the file is not there yet, or not whole."""
        try:
            read = _decoded(read_regular(path, LONGEST))
        except (OSError, ValueError, *UNREADABLE):
            return None
        found = (entry_of(logged) for logged in read.log_history)
        return cls(
            path,
            max(0, read.global_step),
            max(0, read.max_steps),
            max(0.0, read.num_train_epochs),
            read.train_batch_size,
            [entry for entry in found if entry is not None],
        )


def _decoded(content: bytes) -> _Read:
    """transformers writes NaN and Infinity, which are no JSON, where a figure was none. Raises one of UNREADABLE, or
    ValueError."""
    try:
        return msgspec.json.decode(content, type=_Read)
    except msgspec.DecodeError:
        return msgspec.convert(json.loads(content), type=_Read)
