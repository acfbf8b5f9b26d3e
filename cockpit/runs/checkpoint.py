"""Checkpoint: one on disk, and whether it is whole"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.disk import open_to_read, read_regular
from cockpit.models.weights_file import defect_of_safetensors
from cockpit.runs.checksums import CHECKSUMS, damage

STATE = "trainer_state.json"
ZIPPED = ("optimizer.pt", "scheduler.pt", "rng_state.pth")
SCALER = "scaler.pt"
"""Only there where float16 is trained."""
WEIGHTS = ("adapter_model.safetensors", "model.safetensors")
LONGEST_STATE = 1 << 28
"""Bytes of a JSON file; a log history of a million steps has 200 MB."""
SHARDS = "model.safetensors.index.json"
SUMMED_BYTES = 1 << 30
"""Zip files up to this size are read whole to compare their checksums; of larger ones only the table of contents."""
PARSED_STATE = 1 << 20
"""Bytes; of a larger state only the beginning and the end are looked at before it is loaded."""
LONGEST_INDEX = 1 << 24
"""Bytes; one of 100,000 tensors has 10 MB."""
_step = re.compile(rb'"global_step":\s*(\d+)\s*[,}]')
"""The trainer writes its fields in the order of the alphabet, so that this one stands before the long log history."""
NO_ZIP = (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, EOFError, NotImplementedError)
"""What reading a file that is no zip, or a damaged one, raises."""
ARCHIVE = "attempt-"
"""Beginning of the folder's name to which checkpoints go that a later attempt has gone back behind."""


@dataclass(frozen=True)
class Checkpoint:
    """The folder that the trainer has saved after `step`."""

    path: Path
    step: int

    def state(self) -> Any:
        """What the trainer has written of itself. Raises OSError or ValueError where that cannot be read."""
        return json.loads(read_regular(self.path / STATE, LONGEST_STATE))

    def defect(self) -> str:
        """Why it cannot be resumed from, as a clause; empty where all of it is there.

        Looks at the structure of the files alone, which takes a moment however large they are; `damage` reads them.
        """
        try:
            step = self._step()
        except (OSError, ValueError, RecursionError):
            return f"{STATE} cannot be read"
        if step != self.step:
            return f"{STATE} is not that of step {self.step}"
        return self._defect_of_weights() or next(filter(None, map(_defect_of_zip, self._zipped())), "")

    def _step(self) -> object:
        """The step that its state is of. Raises OSError or ValueError where that cannot be read, or has no end."""
        with open_to_read(self.path / STATE) as stream:
            content = stream.read(PARSED_STATE + 1)
            if len(content) <= PARSED_STATE:
                state = json.loads(content)
                return state.get("global_step") if isinstance(state, dict) else None
            stream.seek(-16, os.SEEK_END)
            if not stream.read().rstrip().endswith(b"}"):
                raise ValueError("truncated")
        found = _step.search(content)
        return int(found[1]) if found else None

    def _zipped(self) -> list[Path]:
        return [self.path / name for name in (*ZIPPED, SCALER) if name != SCALER or (self.path / name).exists()]

    def damage(self) -> str:
        """Which of its files is not as it was written, as a clause; empty where all are. Reads every byte.

        Of a checkpoint without checksums only the zip files tell; ask only where it has no defect.
        """
        if (self.path / CHECKSUMS).exists():
            return damage(self.path)
        return next(filter(None, map(_damage_of_zip, self._zipped())), "")

    def _defect_of_weights(self) -> str:
        names = [name for name in WEIGHTS if (self.path / name).is_file()]
        if not names and (self.path / SHARDS).is_file():
            try:
                names = sorted(set(json.loads(read_regular(self.path / SHARDS, LONGEST_INDEX))["weight_map"].values()))
            except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
                return f"{SHARDS} cannot be read"
        if not names:
            return "there are no weights in it"
        return next(filter(None, (defect_of_safetensors(self.path / str(name)) for name in names)), "")


def checkpoints(folder: Path) -> list[Checkpoint]:
    """Those in a run's checkpoints folder, the newest first, complete or not."""
    found = []
    for path in folder.glob("checkpoint-*"):
        step = path.name.rpartition("-")[2]
        if step.isdecimal() and path.is_dir():
            found.append(Checkpoint(path, int(step)))
    return sorted(found, key=lambda one: one.step, reverse=True)


def archive_later(folder: Path, step: int, attempt: int) -> None:
    """Put the checkpoints after `step` out of the way: the run goes on before them, as its attempt number `attempt`."""
    shutil.rmtree(folder / ".partial", ignore_errors=True)
    for one in checkpoints(folder):
        if one.step > step:
            place = folder / f"{ARCHIVE}{attempt - 1}" / one.path.name
            place.parent.mkdir(exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            one.path.rename(place)


def _defect_of_zip(path: Path) -> str:
    try:
        with open_to_read(path) as stream, zipfile.ZipFile(stream):
            return ""
    except FileNotFoundError:
        return f"{path.name} is missing"
    except NO_ZIP:
        return f"{path.name} is truncated"


def _damage_of_zip(path: Path) -> str:
    try:
        with open_to_read(path) as stream, zipfile.ZipFile(stream) as content:
            is_damaged = path.stat().st_size <= SUMMED_BYTES and content.testzip() is not None
    except NO_ZIP:
        is_damaged = True
    return f"{path.name} is damaged" if is_damaged else ""


def newest_complete(folder: Path, from_step: int | None = None) -> tuple[Checkpoint | None, list[str]]:
    """The newest complete checkpoint, or the one after `from_step`; and a sentence for each that was passed over."""
    passed: list[str] = []
    for one in checkpoints(folder):
        if from_step is not None and one.step != from_step:
            continue
        defect = re.sub(r"\s+", " ", one.defect())
        if not defect:
            return one, passed
        passed.append(f"{one.path.name} cannot be resumed from: {defect}.")
    return None, passed
