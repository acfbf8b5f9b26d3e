"""The GPUs that a file of another tool trains on -> hardware.gpu and hardware.devices, so that a step keeps its rows"""

from __future__ import annotations

import math
import re
from typing import Any

from cockpit.importing.convert import names_in
from cockpit.importing.ledger import Ledger
from cockpit.importing.settings import Setting, Settings
from cockpit.recipe.model import ALONE

WHOLE_MODEL = "hardware.parallel takes the way that fits here, and hardware.devices says how many GPUs train together"
AS_STARTED = (
    "hardware.parallel takes the way that fits here; give as hardware.devices how many GPUs the file was started with, "
    "and a step has as many rows as there"
)
NOT_SHARED = (
    "neither a row nor a matrix is split over GPUs here, and those that shared one count as one in hardware.devices"
)
ONE_EACH = "a process has one GPU here; a step has as many rows as there"
OWN_PROCESSES = "cockpit starts the processes of a run itself, on one machine"
NAME = re.compile(r"-1|\d+|(?:GPU|MIG)-[\w/-]+")


def split_model(ledger: Ledger, setting: Setting) -> None:
    """FSDP, DeepSpeed: the GPUs have a part of the model each, and rows of their own."""
    ledger.lose(setting, WHOLE_MODEL if ledger.value("hardware.devices") else AS_STARTED)


def processes(ledger: Ledger, setting: Setting) -> None:
    """How many train together, each on a GPU with rows of its own."""
    put_gpus(ledger, None, setting)


def put_gpus(
    ledger: Ledger, visible: Setting | None, processes: Setting | None, *, shared: int = 1, others: str = ONE_EACH
) -> None:
    """`visible` names GPUs as CUDA_VISIBLE_DEVICES does; `processes` train together, `shared` of them on the same rows.
    GPUs beyond one for each are not carried over, as `others` says."""
    ranks = 1 if processes is None else _put_processes(ledger, processes, shared)
    if visible is None:
        return
    names = names_in(str(visible.value)) or ["-1"]
    if not all(NAME.fullmatch(name) for name in names):
        ledger.lose(visible, "it names no GPUs as 0,1 does; give hardware.gpu")
    elif names[0] == "-1":
        ledger.put(visible, "hardware.gpu", "none")
    elif len(names) < ranks:
        ledger.lose(visible, f"it names {len(names)}, and {ranks} train together")
    else:
        ledger.put(visible, "hardware.gpu", ",".join(names[:ranks]))
        if more := names[ranks:]:
            ledger.lose(Setting(f"{visible.name} (the others)", ",".join(more), visible.line), others)


def _put_processes(ledger: Ledger, setting: Setting, shared: int) -> int:
    """How many train together now."""
    there = whole_number(setting.value)
    if there is None:
        ledger.lose(setting, "it is no number; give hardware.devices, and a step has rows of as many GPUs")
        return 1
    ranks = there if there % shared else there // shared
    return ranks if put_devices(ledger, setting, ranks) else 1


def put_devices(ledger: Ledger, setting: Setting, ranks: int) -> bool:
    """So many train together, each with rows of its own. Whether they do here; else the step's rows are told."""
    method = ledger.value("method")
    if method in ALONE and ranks > 1:
        ledger.lose(setting, f"{method} takes one GPU here; a step there has {ranks} times as many rows")
        return False
    if ledger.put(setting, "hardware.devices", ranks):
        return True
    ledger.lose(setting, f"a run here takes 1 to 16 GPUs; a step there has the rows of {ranks}")
    return False


def put_data_parallel(settings: Settings, ledger: Ledger, shards: str, copies: str) -> None:
    """The product of the two settings, by their names, is how many GPUs have rows of their own."""
    given = [one for one in (settings.get(shards), settings.get(copies)) if one is not None]
    counts = [whole_number(one.value) for one in given]
    ranks = math.prod(count or 0 for count in counts)
    is_known = ranks > 1 and any(one.name == shards for one in given)
    for setting, count in zip(given, counts, strict=True):
        if is_known:
            put_devices(ledger, setting, ranks)
        elif count == 1:
            ledger.note(setting, "as it is here")
        else:
            ledger.lose(setting, AS_STARTED)


def whole_number(value: Any) -> int | None:
    """The value where it is a whole number above zero, as text too."""
    text = str(value).strip()
    return int(text) if re.fullmatch(r"[1-9]\d{0,5}", text) else None
