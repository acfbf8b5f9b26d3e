"""Crash: what is known of a run that ended badly: why, what is left to go on from, and how its machine stood then"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cockpit.disk import open_to_read
from cockpit.protocol.events import GpuReading, MachineRead
from cockpit.runs.checkpoint import Checkpoint, checkpoints
from cockpit.runs.folder import RunDir
from cockpit.runs.lock_state import boot_id
from cockpit.runs.ranks import rank_log
from cockpit.runs.state import RunState
from cockpit.text.numbers import count, size
from cockpit.text.plain_text import plain_line, plain_text, without_logins

END_BYTES = 16 * 1024
"""Of engine.log: its end, where the reason stands."""
LINES = 3
SUMMED_BYTES = 256 << 20
"""Checkpoints up to this size are read whole; the engine reads larger ones when it resumes."""
FULL_RAM, FULL_DISK_MIB = 0.93, 64.0
"""Share of the machine's memory at the last reading, and room on the disk, that make either the likely reason."""
SIGNS = (
    (r"Xid|fallen off the bus|GPU is lost|CUDA error: (unspecified launch failure|unknown error)",
     "The GPU has failed beneath it, as its driver says"),
    (r"Bus error", "It ended with a bus error, as where the machine's shared memory (/dev/shm) is full"),
    (r"[Ss]egmentation fault|SIGSEGV", "It crashed with a segmentation fault in one of its libraries"),
    (r"terminate called|core dumped|Fatal Python error", "One of its libraries ended it"),
    (r"No space left on device|Disk quota exceeded", "The disk was full"),
)  # fmt: skip

RANK_KILLED = r"Rank \d+ \(process (\d+)\) was ended by SIG\w+, and the others with it\."
"""What the process that starts ranks says of the one that was the first to end."""


@dataclass(frozen=True)
class Crash:
    """`why` is a sentence, empty where the engine has said it itself. `checkpoint`: the step of the newest that loads,
    None where none does; `passed` has a sentence for each newer one that does not load. `log` are the last lines of
    engine.log, or of the output of `rank`, the one of several that has ended the run; `machine` says how GPU, RAM and
    disk stood at the last reading, empty where there is none."""

    step: int
    why: str
    checkpoint: int | None
    passed: tuple[str, ...]
    log: tuple[str, ...]
    machine: str
    rank: int | None = None

    @classmethod
    def of(cls, run: RunDir, state: RunState) -> Crash:
        """Look at the files of a run that is lost, or has failed."""
        rank = state.ended.rank if state.ended is not None else None
        output = _end_of(rank_log(run, rank or 0))
        newest, passed = _newest_that_loads(run)
        reading = state.machine[-1] if state.machine else None
        return cls(
            step=state.step,
            why="" if state.ended is not None else _why_lost(run, output, reading),
            checkpoint=newest.step if newest is not None else None,
            passed=tuple(passed),
            log=tuple(_last_lines(output)),
            machine="" if reading is None else _machine_text(reading),
            rank=rank,
        )

    def lines(self, log_lines: int = LINES) -> Iterator[tuple[str, str]]:
        """Label and text of each line that a card or a command tells, with so many of engine.log."""
        if self.why:
            yield "", self.why
        is_shown = self.why or self.rank is not None
        for line in self.log[len(self.log) - min(log_lines, len(self.log)) :] if is_shown else ():
            yield "log" if self.rank is None else f"log {self.rank}", line
        if self.machine:
            yield "then", self.machine
        if self.checkpoint is not None:
            yield "left", f"the checkpoint after step {count(self.checkpoint)}, whole"
        else:
            yield "left", "no checkpoint that loads" if self.passed else "no checkpoint"
        for sentence in self.passed:
            yield "", plain_text(sentence)


def _newest_that_loads(run: RunDir) -> tuple[Checkpoint | None, list[str]]:
    """And a sentence for each newer one, by structure, and where that is quick by checksums."""
    passed: list[str] = []
    for one in checkpoints(run.checkpoints):
        defect = one.defect() or (one.damage() if _bytes_of(one) <= SUMMED_BYTES else "")
        if not defect:
            return one, passed
        passed.append(f"{one.path.name} cannot be resumed from: {plain_line(defect)}.")
    return None, passed


def _bytes_of(one: Checkpoint) -> int:
    return sum(path.stat().st_size for path in one.path.iterdir() if path.is_file())


def _why_lost(run: RunDir, output: str, reading: MachineRead | None) -> str:
    """The likeliest reason for which an engine went without a word; what is only likely is called so."""
    identity = run.identity()
    if identity is not None and identity.host == os.uname().nodename and identity.boot_id != boot_id():
        return "The machine was started anew since, and took the run with it."
    for killed in re.finditer(RANK_KILLED, output):
        if identity is not None and int(killed[1]) in identity.ranks:  # others are of earlier attempts
            return killed[0]
    for pattern, sentence in SIGNS:
        if re.search(pattern, output):
            return f"{sentence}."
    gone = "The engine's process is gone without a word"
    if reading is not None and reading.ram_total_mib and reading.ram_used_mib >= FULL_RAM * reading.ram_total_mib:
        used = f"{_gib(reading.ram_used_mib)} of {_gib(reading.ram_total_mib)} GiB"
        return f"{gone}; RAM was nearly full ({used}), so the system has probably killed it."
    if reading is not None and reading.disk_free_mib is not None and reading.disk_free_mib < FULL_DISK_MIB:
        return f"{gone}; the disk was full ({size(reading.disk_free_mib * 2**20)} free)."
    return f"{gone}: it was killed, or the machine was."


def _machine_text(reading: MachineRead) -> str:
    parts = [_gpu_text(gpu, several=len(reading.gpus) > 1) for gpu in reading.gpus]
    parts.append(f"RAM {_gib(reading.ram_used_mib)}/{_gib(reading.ram_total_mib)} GiB")
    if reading.disk_free_mib is not None:
        parts.append(f"disk {size(reading.disk_free_mib * 2**20)} free")
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(reading.at))
    return f"{', '.join(parts)}, at {at}"


def _gpu_text(gpu: GpuReading, *, several: bool) -> str:
    name = f"GPU {gpu.index}" if several else "GPU"
    used = f" {_gib(gpu.vram_used_mib)}/{_gib(gpu.vram_total_mib)} GiB" if gpu.vram_used_mib is not None else ""
    heat = f" {gpu.temperature_c:.0f} °C" if gpu.temperature_c is not None else ""
    return f"{name}{used}{heat}"


def _gib(mib: float | None) -> str:
    return "–" if mib is None else f"{mib / 1024:.1f}"


def _end_of(path: Path) -> str:
    try:
        with open_to_read(path) as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - END_BYTES))
            return log.read(END_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _last_lines(output: str) -> list[str]:
    lines = [line.rpartition("\r")[2] for line in output.rstrip().split("\n")]
    plain = [without_logins(plain_line(line)) for line in lines]
    return [line for line in plain if line][-LINES:]
