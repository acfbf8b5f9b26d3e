"""What `cockpit doctor` looks at on this machine: files, sockets, and processes of their own for what takes long"""

from __future__ import annotations

import fcntl
import getpass
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from cockpit.disk import free_bytes
from cockpit.machine.child_environment import child_environment, python_code
from cockpit.machine.compile_cache import usual_place
from cockpit.machine.gpu import GpuProbe
from cockpit.machine.installed import torch_cuda
from cockpit.paths import home, runs_folder
from cockpit.preflight import doctor
from cockpit.preflight.doctor import Finding, Probe
from cockpit.settings import Settings

IMPORTS_WITHIN_S = 240.0
HUB_WITHIN_S = 5.0
NCCL_WITHIN_S = 90.0
LOGIND = ("/usr/lib/systemd/logind.conf", "/usr/lib/systemd/logind.conf.d/*.conf", "/etc/systemd/logind.conf",
          "/etc/systemd/logind.conf.d/*.conf", "/run/systemd/logind.conf.d/*.conf")  # fmt: skip
VERSION = "import {0}, importlib.metadata as m; print('{0}', m.version('{0}'))"
NCCL = """
import os, sys, torch, torch.distributed as d, torch.multiprocessing as mp
def work(rank, count):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=sys.argv[1] if len(sys.argv) > 1 else "29511")
    torch.cuda.set_device(rank)
    d.init_process_group("nccl", rank=rank, world_size=count)
    one = torch.ones(1 << 20, device="cuda")
    d.all_reduce(one)
    assert one[0].item() == count, one[0]
    d.destroy_process_group()
if __name__ == "__main__":
    mp.spawn(work, (torch.cuda.device_count(),), torch.cuda.device_count())
    print("summed")
"""
LINK = """
import os, socket, time, torch, torch.distributed as d, torch.multiprocessing as mp
def work(rank, count, port):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", rank) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(rank)
    d.init_process_group("nccl" if on_gpu else "gloo", rank=rank, world_size=count)
    bits = torch.ones((64 if on_gpu else 4) << 20, device=device)
    finish = torch.cuda.synchronize if on_gpu else lambda: None
    for _ in range(3):
        d.all_reduce(bits)
    finish()
    began, times = time.perf_counter(), 10
    for _ in range(times):
        d.all_reduce(bits)
    finish()
    took = (time.perf_counter() - began) / times
    if rank == 0:
        print(f"{2 * (count - 1) / count * bits.numel() * bits.element_size() / took / 1e9:.3g}")
    d.destroy_process_group()
if __name__ == "__main__":
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    count = torch.cuda.device_count() or 2
    mp.spawn(work, (count, port), count)
"""
"""Prints how many GB each GPU sends in a second while all of them sum up 256 MiB, as nccl-tests' busbw has it."""
STACK_MEND = (
    "install cockpit's own versions again (pip install --force-reinstall finetune-cockpit); "
    "python -c 'import {0}' shows the whole error"
)


def findings(*, quick: bool = False, link: bool = False) -> Iterator[Finding]:
    """All checks, one after the other; `quick` leaves out what imports the stack and takes a minute, `link` measures
    how fast the GPUs talk to each other."""
    report = GpuProbe().wait()
    with ThreadPoolExecutor(4) as pool:
        imports = {} if quick else {one: pool.submit(asked, VERSION.format(one)) for one in ("unsloth", "bitsandbytes")}
        hub = pool.submit(why_no_hub)
        nccl = pool.submit(_nccl) if len(report.gpus) > 1 and not quick else None
        yield doctor.of_driver(report, torch_cuda())
        header = Path(sysconfig.get_path("include")) / "Python.h"
        compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
        yield doctor.of_compiler(bool(report.gpus), compiler, header)
        for name, folder in (("disk", home()), ("cache disk", usual_place())):
            yield doctor.of_disk(name, folder, free_bytes(folder))
        yield doctor.of_place(runs_folder(), _read("/proc/mounts"), *_can_write_and_lock(runs_folder()))
        yield doctor.of_shared_memory(_size_of("/dev/shm"))
        yield doctor.of_memory(psutil.virtual_memory().available)
        yield doctor.of_terminal(
            os.environ, sys.stdout.isatty(), shutil.get_terminal_size(), sys.stdout.encoding or "", _colours()
        )
        lingers = Path("/var/lib/systemd/linger", getpass.getuser()).exists()
        yield doctor.of_sessions(_configs(), lingers, getpass.getuser())
        yield doctor.of_settings(_settings_error())
        yield doctor.of_hub(_endpoint(), _is_offline(), hub.result())
        for package, probe in imports.items():
            yield doctor.of_import(package, probe.result(), STACK_MEND.format(package))
        yield doctor.of_nccl(len(report.gpus), nccl.result() if nccl is not None else None)
        if link:
            yield doctor.of_link(len(report.gpus), run_alone(LINK, NCCL_WITHIN_S) if len(report.gpus) > 1 else None)


def asked(code: str, within_s: float = IMPORTS_WITHIN_S) -> Probe:
    """What a Python of its own says that runs this: its last line."""
    began = time.monotonic()
    try:
        done = subprocess.run(
            python_code(code), env=child_environment(), cwd=tempfile.gettempdir(), text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=within_s, check=False, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Probe(False, f"nothing after {within_s:.0f} s", within_s)
    lines = [line for line in (done.stdout if done.returncode == 0 else done.stderr).splitlines() if line.strip()]
    said = lines[-1] if lines else f"status {done.returncode}"
    return Probe(done.returncode == 0, said, time.monotonic() - began)


def why_no_hub() -> str:
    """Why the Hub cannot be reached; empty where it can, or need not be. Any answer of it will do."""
    if _is_offline():
        return ""
    try:
        urllib.request.urlopen(urllib.request.Request(_endpoint(), method="HEAD"), timeout=HUB_WITHIN_S).close()
    except urllib.error.HTTPError:
        return ""
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
    return ""


def _nccl() -> Probe:
    return run_alone(NCCL, NCCL_WITHIN_S)


def run_alone(code: str, within_s: float) -> Probe:
    """As `asked`, of code whose processes import it again."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "sum.py"
        script.write_text(code)
        return asked(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')", within_s)


def _can_write_and_lock(folder: Path) -> tuple[bool, bool]:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True, False
    except OSError:
        return False, False
    return True, True


def _configs() -> list[str]:
    found: list[Path] = []
    for pattern in LOGIND:
        path = Path(pattern)
        found += sorted(path.parent.glob(path.name)) if "*" in path.name else [path]
    return [_read(str(path)) for path in found]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _size_of(path: str) -> int | None:
    try:
        return shutil.disk_usage(path).total
    except OSError:
        return None


def _settings_error() -> str:
    try:
        Settings.read()
    except ValueError as error:
        return str(error)
    return ""


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def _is_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _colours() -> str | None:
    from rich.console import Console

    return Console().color_system
