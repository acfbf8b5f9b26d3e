"""Checkpoint: one on disk, and whether it is whole"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.disk import read_regular
from cockpit.models.weights_file import defect_of_safetensors
from cockpit.runs.checksums import damage

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
        """Why it cannot be resumed from, as a clause; empty where all of it is there. Loads nothing."""
        try:
            state = self.state()
        except (OSError, ValueError):
            return f"{STATE} cannot be read"
        if not isinstance(state, dict) or state.get("global_step") != self.step:
            return f"{STATE} is not that of step {self.step}"
        zipped = [name for name in (*ZIPPED, SCALER) if name != SCALER or (self.path / name).exists()]
        return self._defect_of_weights() or next(
            filter(None, (_defect_of_zip(self.path / name) for name in zipped)), ""
        )

    def damage(self) -> str:
        """Which of its files is not as it was written, as a clause; empty where all are. Reads every byte."""
        return damage(self.path)

    def _defect_of_weights(self) -> str:
        names = [name for name in WEIGHTS if (self.path / name).is_file()]
        if not names and (self.path / SHARDS).is_file():
            try:
                names = sorted(set(json.loads(read_regular(self.path / SHARDS, LONGEST_STATE))["weight_map"].values()))
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
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
        with zipfile.ZipFile(path) as content:
            if path.stat().st_size <= SUMMED_BYTES and content.testzip() is not None:
                return f"{path.name} is damaged"
    except FileNotFoundError:
        return f"{path.name} is missing"
    except (OSError, zipfile.BadZipFile, RuntimeError, ValueError, EOFError, NotImplementedError):
        return f"{path.name} is truncated"
    return ""


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
