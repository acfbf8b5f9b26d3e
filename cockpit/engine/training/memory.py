"""Out of memory: what the peak was and what made it, as far as torch and the trainer know"""

from __future__ import annotations

import re

import torch

from cockpit.protocol.events import OutOfMemory
from cockpit.text.numbers import count, size

BATCH = "cockpit_batch"
"""The attribute of an exception that the shape (rows, tokens) of the micro-batch in hand is kept in."""
_asked = re.compile(r"tried to allocate ([0-9.]+) ([kmg]?i?b)", re.IGNORECASE)
UNITS = {"b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 1000, "mb": 1000**2, "gb": 1000**3}


def out_of_memory(error: BaseException, phase: str) -> OutOfMemory:
    """The figures of a run that has run out of memory in `phase`; zeros where nobody knows."""
    rows, tokens = getattr(error, BATCH, (0, 0))
    asked = 0
    if found := _asked.search(str(error)):
        asked = int(float(found[1]) * UNITS.get(found[2].lower(), 1))
    peak = total = others = 0
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        peak = torch.cuda.max_memory_reserved()
        free, total = torch.cuda.mem_get_info()
        others = max(0, total - free - torch.cuda.memory_reserved())
    return OutOfMemory(
        phase=phase,
        rows=rows,
        tokens=tokens,
        asked_bytes=asked,
        peak_bytes=peak,
        others_bytes=others,
        total_bytes=total,
    )


def told(memory: OutOfMemory) -> str:
    """The figures as the end of a sentence; empty where none is known."""
    parts = []
    if memory.total_bytes:
        taken = f"{size(memory.peak_bytes)} of {size(memory.total_bytes)} were taken at most"
        parts.append(taken + (f", and {size(memory.others_bytes)} by others" if memory.others_bytes > 1 << 28 else ""))
    if memory.rows:
        more = f" and asked for {size(memory.asked_bytes)} more" if memory.asked_bytes else ""
        parts.append(f"the batch in hand had {count(memory.rows)} rows of {count(memory.tokens)} tokens{more}")
    return "; ".join(parts)
