"""The GPU report: choosing a GPU, NVML that fails in every way, and the probe in its child process."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from cockpit.machine import gpu
from cockpit.machine.gpu import GpuProbe, GpuReport, visible_gpus
from cockpit.machine.nvml import Nvml
from cockpit.protocol.events import GpuReading, Holder

NVML_MODULE = """
    import os, time

    class NVMLError(Exception):
        pass

    class NVMLError_LibraryNotFound(NVMLError):
        pass

    NVML_TEMPERATURE_GPU = 0
    FAILING = os.environ.get("FAKE_FAILING", "").split(",")

    class Answer:
        def __init__(self, **values):
            self.__dict__.update(values)

    def answer(name, value):
        def function(*arguments):
            if name in FAILING:
                raise NVMLError(f"{name} failed\\x1b[31m")
            return value(*arguments) if callable(value) else value
        return function

    def init():
        if os.environ.get("FAKE_HANGS"):
            time.sleep(600)
        if os.environ.get("FAKE_NO_DRIVER"):
            raise NVMLError_LibraryNotFound("no library")

    nvmlInit = answer("init", lambda: init())
    nvmlSystemGetDriverVersion = answer("driver", "570.1")
    nvmlDeviceGetCount = answer("count", 2)
    nvmlDeviceGetHandleByIndex = answer("handle", lambda index: index)
    nvmlDeviceGetHandleByUUID = answer("slice", {"MIG-1": 1}.__getitem__)
    nvmlDeviceGetUUID = answer("uuid", lambda index: f"GPU-{index}000")
    nvmlDeviceGetName = answer("name", b"NVIDIA H200")
    nvmlDeviceGetMemoryInfo = answer("memory", lambda i: Answer(used=(2 - i) << 30, total=8 << 30))
    nvmlDeviceGetUtilizationRates = answer("utilization", Answer(gpu=97))
    nvmlDeviceGetTemperature = answer("temperature", lambda index, sensor: 61)
    nvmlDeviceGetPowerUsage = answer("power", 540500)
    nvmlDeviceGetTotalEnergyConsumption = answer("energy", 7200)
    nvmlDeviceGetCurrentClocksThrottleReasons = answer("clocks", 0x1 | 0x4 | 0x20 | 0x40)
    nvmlDeviceGetComputeRunningProcesses = answer(
        "processes", [Answer(pid=7, usedGpuMemory=1 << 30), Answer(pid=8, usedGpuMemory=None)]
    )
"""

ONE = GpuReading(index=0, uuid="GPU-aa11", name="H200", vram_used_mib=900.0, vram_total_mib=1000.0)
TWO = GpuReading(index=1, uuid="GPU-aa22", name="H200", vram_used_mib=100.0, vram_total_mib=1000.0)
BLIND = GpuReading(index=2, uuid="GPU-bb33", name="Old")
REPORT = GpuReport(gpus=[ONE, TWO, BLIND], driver="570.1")


@pytest.fixture
def fake_nvml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A pynvml of our own, for this process and its children."""
    folder = tmp_path / "fake"
    folder.mkdir()
    (folder / "pynvml.py").write_text(textwrap.dedent(NVML_MODULE))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(gpu, "PROBE_TIMEOUT_S", 120.0)
    for name in ("FAKE_FAILING", "FAKE_HANGS", "FAKE_NO_DRIVER", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    sys.modules.pop("pynvml", None)
    yield
    sys.modules.pop("pynvml", None)


@pytest.mark.usefixtures("fake_nvml")
class TestNvml:
    def test_reads_everything(self) -> None:
        nvml = Nvml()
        assert (nvml.driver, nvml.problem) == ("570.1", "")
        assert nvml.read(7)[0] == GpuReading(
            index=0,
            uuid="GPU-0000",
            name="NVIDIA H200",
            vram_used_mib=2048.0,
            vram_total_mib=8192.0,
            vram_this_run_mib=1024.0,
            utilization_percent=97.0,
            temperature_c=61.0,
            power_w=540.5,
            energy_j=7.2,
            slowed_by=("power cap", "heat"),
            others=(Holder(pid=8, name=nvml._name(8)),),
        )

    def test_reads_the_slices_that_are_named(self) -> None:
        nvml = Nvml()
        nvml.read()
        (known,) = nvml.slices("MIG-1, MIG-gone, GPU-0000", 7)
        assert (known.index, known.vram_used_mib, known.vram_this_run_mib) == (0, 1024.0, 1024.0)
        assert nvml.slices(None) == nvml.slices("0,1") == []

    def test_others_have_no_name_where_process_ids_may_be_those_of_another_system(self) -> None:
        assert Nvml().read(9)[0].others == (Holder(pid=7, mib=1024.0), Holder(pid=8))

    @pytest.mark.parametrize("pids", [(8,), (9,), (), (8, 9)])
    def test_memory_that_the_driver_does_not_give_to_a_process_is_unknown(self, pids: tuple[int, ...]) -> None:
        assert Nvml().read(*pids)[0].vram_this_run_mib is None

    def test_memory_of_all_ranks_is_the_runs(self) -> None:
        reading = Nvml().read(7, 8)[0]
        assert (reading.vram_this_run_mib, reading.others) == (1024.0, ())

    @pytest.mark.parametrize(
        ("failing", "field"),
        [
            ("memory", "vram_used_mib"),
            ("utilization", "utilization_percent"),
            ("temperature", "temperature_c"),
            ("power", "power_w"),
            ("energy", "energy_j"),
            ("processes", "vram_this_run_mib"),
        ],
    )
    def test_a_call_that_fails_leaves_its_figure_unknown(
        self, monkeypatch: pytest.MonkeyPatch, failing: str, field: str
    ) -> None:
        monkeypatch.setenv("FAKE_FAILING", failing)
        first, second = Nvml().read(7)
        assert getattr(first, field) is None
        assert (first.index, second.index) == (0, 1)

    @pytest.mark.parametrize("failing", ["init", "count", "handle"])
    def test_a_driver_that_fails_is_said(self, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
        monkeypatch.setenv("FAKE_FAILING", failing)
        nvml = Nvml()
        assert nvml.read() == []
        assert nvml.problem.startswith("The NVIDIA driver does not")
        assert "\x1b" not in nvml.problem

    @pytest.mark.parametrize("failing", ["init", "count", "handle", "uuid", "name", "driver"])
    def test_a_call_that_fails_once_is_tried_again(self, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
        monkeypatch.setenv("FAKE_FAILING", failing)
        nvml = Nvml()
        nvml.read()
        import pynvml

        pynvml.FAILING.clear()
        assert [(one.uuid, one.name) for one in nvml.read()] == [(f"GPU-{n}000", "NVIDIA H200") for n in range(2)]
        assert (nvml.driver, nvml.problem, nvml.absent) == ("570.1", "", False)

    @pytest.mark.parametrize("failing", ["handle", "uuid", "name"])
    def test_what_never_changes_outlives_a_call_that_fails(self, failing: str) -> None:
        nvml = Nvml()
        before = nvml.read()
        import pynvml

        pynvml.FAILING.append(failing)
        assert nvml.read() == before

    def test_no_driver_is_no_problem(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_NO_DRIVER", "1")
        assert (Nvml().read(), Nvml().problem) == ([], "")

    def test_no_module_is_no_problem(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pynvml", None)
        assert (Nvml().read(), Nvml().problem) == ([], "")


@pytest.mark.usefixtures("fake_nvml")
class TestProbe:
    def test_answers_from_its_child(self) -> None:
        report = GpuProbe().wait()
        assert [one.uuid for one in report.gpus] == ["GPU-0000", "GPU-1000"]
        assert (report.driver, report.problem) == ("570.1", "")
        assert report.choose("auto") == "GPU-1000"

    def test_a_driver_that_hangs_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_HANGS", "1")
        probe, much_later = GpuProbe(), time.monotonic() + 2 * gpu.PROBE_TIMEOUT_S
        assert probe.poll() is None
        monkeypatch.setattr(gpu, "time", SimpleNamespace(monotonic=lambda: much_later))
        report = probe.wait()
        assert "has not answered" in report.problem
        assert probe.poll() is report
        assert report.choose("auto") == "none"

    def test_a_child_that_dies_is_a_problem(self, tmp_path: Path) -> None:
        (tmp_path / "fake" / "pynvml.py").write_text("import os; os._exit(9)")
        assert GpuProbe().wait().problem == "Asking the NVIDIA driver failed with status 9."


class TestChoice:
    @pytest.mark.parametrize(
        ("visible", "wanted", "chosen"),
        [
            (None, "auto", "GPU-aa22"),
            (None, "none", "none"),
            (None, "0", "GPU-aa11"),
            (None, " 2 ", "GPU-bb33"),
            (None, "GPU-bb", "GPU-bb33"),
            (None, "bb", "GPU-bb33"),
            (None, "gpu-AA22", "GPU-aa22"),
            ("0", "auto", "GPU-aa11"),
            ("0,2", "auto", "GPU-aa11"),
            ("GPU-bb", "auto", "GPU-bb33"),
            ("", "auto", "none"),
            ("-1", "auto", "none"),
            ("2,-1,1", "auto", "GPU-bb33"),
            ("MIG-5c", "auto", "MIG-5c"),
        ],
    )
    def test_what_is_chosen(
        self, monkeypatch: pytest.MonkeyPatch, visible: str | None, wanted: str, chosen: str
    ) -> None:
        _see(monkeypatch, visible)
        assert REPORT.choose(wanted) == chosen

    @pytest.mark.parametrize(
        ("visible", "wanted", "part"),
        [
            (None, "7", "There is no GPU 7 here; there is 0 (H200, GPU-aa11), 1"),
            (None, "GPU-aa", "Several GPUs"),
            (None, "GPU-", "There is no GPU GPU-"),
            ("0", "1", "hidden by CUDA_VISIBLE_DEVICES; it leaves 0"),
            ("", "0", "hidden by CUDA_VISIBLE_DEVICES; it leaves none"),
            (None, "\x1b]0;x\x07two", "There is no GPU two"),
        ],
    )
    def test_what_is_not_there(
        self, monkeypatch: pytest.MonkeyPatch, visible: str | None, wanted: str, part: str
    ) -> None:
        _see(monkeypatch, visible)
        with pytest.raises(ValueError) as refused:
            REPORT.choose(wanted)
        assert part in str(refused.value)

    def test_without_a_driver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _see(monkeypatch, None)
        assert GpuReport().choose("auto") == "driverless"
        with pytest.raises(ValueError, match="no NVIDIA driver was found"):
            GpuReport().choose("0")

    def test_with_a_driver_that_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _see(monkeypatch, None)
        report = GpuReport(problem="The NVIDIA driver hangs.")
        assert report.choose("auto") == "none"
        with pytest.raises(ValueError, match=r"The NVIDIA driver hangs\. auto or none"):
            report.choose("0")

    def test_visible_devices_end_at_the_first_name_that_is_none(self) -> None:
        assert visible_gpus(REPORT.gpus, "1,9,0") == [TWO]
        assert visible_gpus(REPORT.gpus, "1,1,0") == [TWO]
        assert visible_gpus(REPORT.gpus, None) == [ONE, TWO, BLIND]


def _see(monkeypatch: pytest.MonkeyPatch, visible: str | None) -> None:
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", visible)


def test_holders_are_told_by_name_the_largest_first(fake_nvml: None, monkeypatch: pytest.MonkeyPatch) -> None:
    holders = GpuProbe().wait().holders
    assert list(holders) == ["GPU-0000", "GPU-1000"]
    assert [(one.pid, one.mib) for one in holders["GPU-0000"]] == [(7, 1024.0), (8, None)]
    own = Nvml()._name(os.getpid())
    assert own == Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    monkeypatch.setenv("FAKE_FAILING", "processes")
    sys.modules.pop("pynvml", None)
    assert GpuProbe().wait().holders == {"GPU-0000": [], "GPU-1000": []}
