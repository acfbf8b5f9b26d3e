"""What of this machine keeps runs from working, from lasting, or from being seen; each with what mends it

Each check is given what it looks at, so that it can be shown a machine that is broken. None imports the training stack:
what that says of itself is asked of a process of its own (preflight/probes.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cockpit.machine.gpu import GpuReport
from cockpit.preflight.machine import OLDEST_DRIVERS
from cockpit.text.numbers import size
from cockpit.text.plain_text import plain_line

State = Literal["ok", "warning", "bad"]
GIB = 1 << 30
LITTLE_DISK, LOW_DISK = 2 * GIB, 20 * GIB
LITTLE_SHM = GIB
LITTLE_RAM = 4 * GIB
SLOW_LINK = 5.0
"""GB/s; PCIe 3.0 with 16 lanes gives about twice as much, NVLink 20 to 80 times."""
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "beegfs", "fuse.sshfs")
SMALLEST = (60, 15)
"""Columns and rows of a terminal."""


@dataclass(frozen=True)
class Finding:
    """What one check has found; `mend` says what to do about it, empty where nothing need be done."""

    name: str
    state: State
    said: str
    mend: str = ""


@dataclass(frozen=True)
class Probe:
    """What a process of its own has said of something: whether it ended well, its last line, and how long it took."""

    ok: bool
    said: str
    took_s: float


def of_driver(report: GpuReport, cuda: str | None) -> Finding:
    """The GPU driver beside the installed torch; `cuda` is what that was built for, empty without, None: no torch."""
    name = "driver"
    if cuda is None:
        return Finding(name, "bad", "torch is not installed", "install it: pip install 'finetune-cockpit[train]'")
    if not report.gpus:
        if report.problem:
            mend = "see what nvidia-smi says; a reboot mends a driver that was updated beneath a running system"
            return Finding(name, "bad", plain_line(report.problem), mend)
        return Finding(name, "warning", "there is no NVIDIA GPU here; runs train on the CPU", "")
    gpus = ", ".join(dict.fromkeys(gpu.name for gpu in report.gpus))
    if not cuda:
        return Finding(
            name, "bad", f"torch was built without CUDA, and there is a GPU ({gpus})", "install a torch with CUDA"
        )
    oldest = next((driver for major, driver in OLDEST_DRIVERS if cuda.split(".")[0] == str(major)), None)
    found = re.match(r"\d+", report.driver)
    if oldest is not None and found and int(found[0]) < oldest:
        said = f"the NVIDIA driver {plain_line(report.driver)} is too old for torch's CUDA {cuda}"
        return Finding(name, "bad", said, f"update it to {oldest} or newer, or install a torch for an older CUDA")
    return Finding(name, "ok", f"NVIDIA {plain_line(report.driver)} with torch for CUDA {cuda}: {gpus}")


def of_import(package: str, probe: Probe, mend: str) -> Finding:
    """What the import of a package of the stack has come to."""
    if probe.ok:
        return Finding(package, "ok", f"{plain_line(probe.said) or 'imported'} in {probe.took_s:.0f} s")
    return Finding(package, "bad", f"it cannot be imported: {plain_line(probe.said)[:300]}", mend)


def of_compiler(gpus: bool, compiler: str | None, header: Path) -> Finding:
    """What Triton compiles kernels' launchers with, at a run's first step on a GPU."""
    if not gpus:
        return Finding("compiler", "ok", "not needed without a GPU")
    if compiler is None:
        mend = "install one (apt install gcc, or dnf install gcc), or set CC"
        return Finding("compiler", "bad", "there is no C compiler, which Triton needs on a GPU", mend)
    if not header.is_file():
        mend = "install Python's headers (apt install python3-dev), or set hardware.compile: false in recipes"
        return Finding("compiler", "bad", f"Python.h is not there ({header}), which Triton compiles against", mend)
    return Finding("compiler", "ok", plain_line(compiler))


def of_disk(name: str, folder: Path, free: int | None) -> Finding:
    """Room where something is kept."""
    place = plain_line(str(folder))
    if free is None:
        return Finding(name, "warning", f"how much room is in {place} cannot be told", "see what df says")
    said = f"{size(free)} free in {place}"
    if free < LITTLE_DISK:
        return Finding(name, "bad", said, "make room; checkpoints and models need it")
    if free < LOW_DISK:
        return Finding(name, "warning", said, "make room before models of several billion weights are fetched")
    return Finding(name, "ok", said)


def of_place(folder: Path, mounts: str, writable: bool, locks: bool) -> Finding:
    """The file system that runs lie on: /proc/mounts as text, whether it can be written, and whether it knows locks."""
    place, found = plain_line(str(folder)), _mount_of(folder, mounts)
    elsewhere = "set COCKPIT_HOME to a folder on a disk of this machine"
    if not writable:
        return Finding("runs folder", "bad", f"{place} cannot be written", elsewhere)
    if not locks:
        said = f"the disk of {place} knows no locks, so two engines could take one run"
        return Finding("runs folder", "bad", said, elsewhere)
    if found is not None and (found in NETWORK or found.startswith("nfs")):
        said = f"{place} lies on a network file system ({found}): slow checkpoints, and a run dies with the network"
        return Finding("runs folder", "warning", said, elsewhere)
    return Finding("runs folder", "ok", f"{place} can be written and locked" + (f" ({found})" if found else ""))


def _mount_of(folder: Path, mounts: str) -> str | None:
    """The type of the file system that the folder lies on."""
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        parts = line.split()
        if len(parts) < 3:
            continue
        point = parts[1].replace("\\040", " ")
        if folder.is_relative_to(point) and (best is None or len(point) >= best[0]):
            best = (len(point), parts[2])
    return best[1] if best else None


def of_shared_memory(total: int | None) -> Finding:
    """/dev/shm, through which workers hand over batches."""
    if total is None:
        return Finding("shared memory", "warning", "/dev/shm is not there", "set training.dataloader_num_workers to 0")
    if total < LITTLE_SHM:
        mend = "docker run --shm-size=8g, or --ipc=host; or leave training.dataloader_num_workers at 0"
        return Finding("shared memory", "warning", f"/dev/shm holds {size(total)}, little for loader workers", mend)
    return Finding("shared memory", "ok", f"/dev/shm holds {size(total)}")


def of_memory(available: int) -> Finding:
    """RAM, which the stack alone takes 2 GiB of."""
    said = f"{size(available)} of RAM available"
    if available < LITTLE_RAM:
        return Finding(
            "memory", "warning", said, "end what else holds RAM; the system may kill a run that loads a model"
        )
    return Finding("memory", "ok", said)


def of_hub(endpoint: str, offline: bool, error: str) -> Finding:
    """The Hub, or the mirror that HF_ENDPOINT names; `error`: why it could not be reached."""
    place = plain_line(endpoint)
    if offline:
        return Finding("Hub", "ok", "offline, as HF_HUB_OFFLINE says; models and data on this disk are used")
    if error:
        mend = "set HF_ENDPOINT to a mirror, or HTTPS_PROXY; what is on this disk trains with HF_HUB_OFFLINE=1"
        return Finding("Hub", "warning", f"{place} cannot be reached: {plain_line(error)[:200]}", mend)
    return Finding("Hub", "ok", f"{place} answers")


def of_terminal(
    environment: Mapping[str, str], is_terminal: bool, cells: tuple[int, int], encoding: str, colours: str | None
) -> Finding:
    """What the app would draw on."""
    name = environment.get("TERM", "")
    if not is_terminal:
        return Finding("terminal", "warning", "stdout is no terminal, so the app cannot be judged", "")
    if name in ("", "dumb"):
        mend = "set TERM to what it is, such as xterm-256color"
        return Finding("terminal", "bad", f"TERM is {plain_line(name) or 'not set'}, which takes no drawing", mend)
    if encoding.lower().replace("-", "") != "utf8":
        mend = "set a UTF-8 locale, such as LANG=C.UTF-8; until then the app draws in ASCII"
        return Finding("terminal", "warning", f"its encoding is {plain_line(encoding)}, not UTF-8", mend)
    if cells[0] < SMALLEST[0] or cells[1] < SMALLEST[1]:
        mend = f"make it at least {SMALLEST[0]} x {SMALLEST[1]}, better 80 x 24"
        return Finding("terminal", "warning", f"it has {cells[0]} x {cells[1]} cells", mend)
    known = {"truecolor": "16 million colours", "256": "256 colours", "standard": "16 colours"}
    said = known.get(colours or "", "no colours")
    return Finding("terminal", "ok", f"{plain_line(name)}, {cells[0]} x {cells[1]}, UTF-8, {said}")


def of_sessions(configs: Sequence[str], lingers: bool, user: str) -> Finding:
    """Whether systemd kills what a session leaves behind when its last login ends; `configs` are logind.conf and what
    overrides it, in their order."""
    kills = False
    for text in configs:
        for value in re.findall(r"^\s*KillUserProcesses\s*=\s*(\S+)", text, re.MULTILINE):
            kills = value.lower() in ("yes", "true", "on", "1")
    if kills and not lingers:
        said = "logind kills all processes of a user who logs out (KillUserProcesses=yes): runs end with the connection"
        return Finding("sessions", "bad", said, f"loginctl enable-linger {plain_line(user)}")
    return Finding("sessions", "ok", "runs outlive a logout")


def of_nccl(gpus: int, probe: Probe | None) -> Finding:
    """Several GPUs, talking to each other."""
    if gpus < 2 or probe is None:
        return Finding("NCCL", "ok", "not needed with one GPU" if gpus == 1 else "not needed without GPUs")
    if probe.ok:
        return Finding("NCCL", "ok", f"{gpus} GPUs sum up in {probe.took_s:.0f} s")
    mend = "try NCCL_P2P_DISABLE=1, then NCCL_DEBUG=INFO; in a container --ipc=host and a larger --shm-size"
    return Finding("NCCL", "bad", f"{gpus} GPUs do not reach each other: {plain_line(probe.said)[:200]}", mend)


def of_link(gpus: int, probe: Probe | None) -> Finding:
    """How fast several GPUs talk to each other; `probe` says in GB a second what each sends while all sum up."""
    name = "GPU link"
    if gpus < 2 or probe is None:
        return Finding(name, "ok", "there is none to measure" if gpus else "there are no GPUs to measure")
    try:
        speed = float(probe.said) if probe.ok else None
    except ValueError:
        speed = None
    if speed is None:
        mend = "try NCCL_P2P_DISABLE=1, then NCCL_DEBUG=INFO"
        return Finding(name, "bad", f"it cannot be measured: {plain_line(probe.said)[:200]}", mend)
    said = f"each of {gpus} GPUs sends {speed:.3g} GB/s while all sum up"
    if speed < SLOW_LINK:
        mend = "an adapter's gradients are small and still go well; for full training see nvidia-smi topo -m"
        return Finding(name, "warning", f"{said}, which is less than PCIe gives", mend)
    return Finding(name, "ok", said)


def of_settings(error: str) -> Finding:
    """The user's own settings.yaml."""
    if error:
        return Finding("settings", "bad", plain_line(error).rstrip("."), "correct or remove it")
    return Finding("settings", "ok", "settings.yaml can be read, or there is none")
