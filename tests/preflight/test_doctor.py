"""cockpit doctor on machines that are broken, one thing at a time: each is named, with what mends it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.machine.gpu import GpuReport
from cockpit.preflight import doctor, probes
from cockpit.preflight.doctor import GIB, Finding, Probe
from cockpit.protocol.events import GpuReading

H200 = GpuReading(index=0, uuid="GPU-0", name="NVIDIA H200")
ONE = GpuReport(gpus=[H200], driver="580.95.05")
OLD = GpuReport(gpus=[H200], driver="470.1")
HANGS = GpuReport(problem="The NVIDIA driver has not answered for 10 s.")
FINE, BROKEN = Probe(True, "unsloth 2026.10.9", 21.0), Probe(False, "ImportError: libcudart.so.12: cannot open", 3.0)
HERE = Path("/home/me/runs")
XTERM = {"TERM": "xterm-256color"}
MOUNTS = "/dev/sda / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\n"


def terminal(name: str = "xterm-256color", cells: tuple[int, int] = (120, 40), encoding: str = "utf-8") -> Finding:
    return doctor.of_terminal({"TERM": name}, True, cells, encoding, "256")


BROKEN_MACHINES: list[tuple[Callable[[], Finding], str, str, str]] = [
    (lambda: doctor.of_driver(OLD, "12.8"), "bad", "driver 470.1 is too old for torch's CUDA 12.8", "update it to 525"),
    (lambda: doctor.of_driver(ONE, ""), "bad", "built without CUDA, and there is a GPU (NVIDIA H200)", "CUDA"),
    (lambda: doctor.of_driver(ONE, None), "bad", "torch is not installed", "pip install 'finetune-cockpit[train]'"),
    (lambda: doctor.of_driver(HANGS, "12.8"), "bad", "has not answered", "nvidia-smi"),
    (lambda: doctor.of_import("unsloth", BROKEN, "again"), "bad", "ImportError: libcudart.so.12", "again"),
    (lambda: doctor.of_compiler(True, None, HERE), "bad", "no C compiler", "apt install gcc"),
    (lambda: doctor.of_compiler(True, "/usr/bin/gcc", HERE / "Python.h"), "bad", "Python.h is not", "python3-dev"),
    (lambda: doctor.of_disk("disk", HERE, GIB), "bad", "1.0 GiB free in /home/me/runs", "make room"),
    (lambda: doctor.of_place(HERE, MOUNTS, False, False), "bad", "cannot be written", "COCKPIT_HOME"),
    (lambda: doctor.of_place(HERE, MOUNTS, True, False), "bad", "knows no locks", "COCKPIT_HOME"),
    (lambda: doctor.of_place(HERE, MOUNTS, True, True), "warning", "a network file system (nfs4)", "COCKPIT_HOME"),
    (lambda: doctor.of_shared_memory(64 << 20), "warning", "/dev/shm holds 64 MiB", "--shm-size"),
    (lambda: doctor.of_memory(2 * GIB), "warning", "2.0 GiB of RAM available", "end what else"),
    (lambda: doctor.of_hub("https://mirror", False, "timed out"), "warning", "mirror cannot be reached", "HF_ENDPOINT"),
    (lambda: terminal("dumb"), "bad", "TERM is dumb", "set TERM"),
    (lambda: terminal(encoding="ISO-8859-1"), "warning", "ISO-8859-1, not UTF-8", "LANG=C.UTF-8"),
    (lambda: terminal(cells=(50, 12)), "warning", "50 x 12 cells", "60 x 15"),
    (lambda: doctor.of_sessions(["#KillUserProcesses=no", " KillUserProcesses = yes\n"], False, "me"), "bad",
     "kills all processes of a user who logs out", "loginctl enable-linger me"),
    (lambda: doctor.of_nccl(2, BROKEN), "bad", "2 GPUs do not reach each other", "NCCL_P2P_DISABLE"),
    (lambda: doctor.of_link(2, BROKEN), "bad", "cannot be measured", "NCCL_P2P_DISABLE"),
    (lambda: doctor.of_link(2, Probe(True, "1.25", 9)), "warning", "each of 2 GPUs sends 1.25 GB/s", "topo -m"),
    (lambda: doctor.of_settings("settings.yaml says gpu_hour: 2, which is no price."), "bad", "no price", "correct"),
]  # fmt: skip


@pytest.mark.parametrize(("look", "state", "said", "mend"), BROKEN_MACHINES)
def test_a_broken_machine_is_named_with_its_mend(look: Callable[[], Finding], state: str, said: str, mend: str) -> None:
    found = look()
    assert found.state == state
    assert said in found.said
    assert mend in found.mend


def test_a_machine_in_order_is_called_so() -> None:
    found = [
        doctor.of_driver(ONE, "12.8"),
        doctor.of_import("unsloth", FINE, "again"),
        doctor.of_compiler(True, "/usr/bin/gcc", Path(__file__)),
        doctor.of_compiler(False, None, HERE),
        doctor.of_disk("disk", HERE, 100 * GIB),
        doctor.of_place(Path("/srv"), MOUNTS, True, True),
        doctor.of_shared_memory(8 * GIB),
        doctor.of_memory(64 * GIB),
        doctor.of_hub("https://huggingface.co", False, ""),
        doctor.of_hub("https://huggingface.co", True, ""),
        terminal(),
        doctor.of_sessions(["KillUserProcesses=yes", "KillUserProcesses=no"], False, "me"),
        doctor.of_sessions(["KillUserProcesses=yes"], True, "me"),
        doctor.of_nccl(8, FINE),
        doctor.of_nccl(1, None),
        doctor.of_link(8, Probe(True, "371", 9)),
        doctor.of_link(1, None),
        doctor.of_settings(""),
    ]
    assert [one for one in found if one.state != "ok" or one.mend] == []


def test_what_a_process_of_its_own_says() -> None:
    assert probes.asked("print('a'); print('b')").said == "b"
    broken = probes.asked("import nothing_of_that_name")
    assert not broken.ok and broken.said == "ModuleNotFoundError: No module named 'nothing_of_that_name'"
    assert probes.asked("import time; time.sleep(60)", within_s=0.5).said == "nothing after 0 s"


def test_a_hub_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{bound.getsockname()[1]}")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        assert "refused" in probes.why_no_hub()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert probes.why_no_hub() == ""


def test_the_command_says_all_and_its_status_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(*, quick: bool, link: bool) -> Iterator[Finding]:
        yield Finding("disk", "ok", "fine")
        yield Finding("Hub", "warning", "not reached", "a mirror")
        if not quick:
            yield Finding("unsloth", "bad", "broken", "install it again")
        if link:
            yield Finding("GPU link", "ok", "fast")

    monkeypatch.setattr(probes, "findings", found)
    result = CliRunner().invoke(cockpit, ["doctor"])
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "✓ disk          fine",
        "▲ Hub           not reached",
        "                → a mirror",
        "✗ unsloth       broken",
        "                → install it again",
    ]
    assert "✓ GPU link      fast" in CliRunner().invoke(cockpit, ["doctor", "--gpus"]).stdout
    quick = CliRunner().invoke(cockpit, ["doctor", "--quick", "--json"])
    assert quick.exit_code == 0
    assert json.loads(quick.stdout)[1] == {
        "name": "Hub", "state": "warning", "said": "not reached", "mend": "a mirror"
    }  # fmt: skip


def test_on_this_very_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = subprocess.run(
        [sys.executable, "-m", "cockpit", "doctor", "--quick", "--json"], capture_output=True, text=True, check=False
    )
    names = [one["name"] for one in json.loads(done.stdout)]
    assert names[:2] == ["driver", "compiler"] and names[-2:] == ["Hub", "NCCL"]
    assert len(names) == len(set(names)) == 12
