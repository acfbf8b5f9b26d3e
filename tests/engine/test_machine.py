"""Readings of the machine, whatever the driver does."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from cockpit.engine import machine
from cockpit.engine.machine import Machine
from cockpit.protocol.events import GpuReading

ONE, TWO = (GpuReading(index=n, uuid=f"GPU-{n}", name="H200") for n in range(2))


class FakeNvml:
    """Answers as its maker says."""

    driver = "570.1"
    absent = False
    answer: Callable[[], list[GpuReading]] = staticmethod(lambda: [ONE, TWO])

    def read(self, pid: int | None = None) -> list[GpuReading]:
        return type(self).answer()

    def slices(self, named: str | None, pid: int | None = None) -> list[GpuReading]:
        return [TWO] if named == "MIG-2" else []


@pytest.fixture(autouse=True)
def fake_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "Nvml", FakeNvml)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_the_gpus_that_this_process_sees_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1")
    here = Machine()
    assert here.gpus(wait_s=60) == [TWO]
    reading = here.read(step=7)
    assert (reading.step, reading.gpus, here.driver) == (7, [TWO], "570.1")
    assert 0 < reading.rss_mib < reading.ram_total_mib
    assert 0 < reading.ram_used_mib < reading.ram_total_mib


def test_a_driver_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang() -> list[GpuReading]:
        released.wait(60)
        return [ONE]

    monkeypatch.setattr(FakeNvml, "answer", staticmethod(hang))
    here = Machine()
    assert here.read(step=0).gpus == []
    released.set()
    assert here.gpus(wait_s=60) == [ONE]


def test_readings_that_are_old_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Machine()
    assert here.gpus(wait_s=60) == [ONE, TWO]
    monkeypatch.setattr(machine, "STALE_AFTER_S", -1.0)
    assert here.gpus() == []


def test_a_slice_that_is_named_is_read_where_no_whole_gpu_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-2")
    assert Machine().gpus(wait_s=60) == [TWO]


def test_a_reading_that_is_empty_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    read_again = threading.Event()

    class EmptyAtFirst(FakeNvml):
        answers = iter([[], [ONE]])

        def read(self, pid: int | None = None) -> list[GpuReading]:
            following = next(self.answers, None)
            if following is None:
                read_again.set()
            return following or []

    monkeypatch.setattr(machine, "Nvml", EmptyAtFirst)
    monkeypatch.setattr(machine, "EVERY_S", 0.01)
    Machine()
    assert read_again.wait(60)


def test_without_a_driver_it_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeNvml, "absent", True)
    monkeypatch.setattr(FakeNvml, "answer", staticmethod(list))
    before = {thread for thread in threading.enumerate() if thread.name == "nvml"}
    here = Machine()
    assert here.gpus(wait_s=60) == []
    for thread in {one for one in threading.enumerate() if one.name == "nvml"} - before:
        thread.join(60)
        assert not thread.is_alive()


def test_the_cpu_asks_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(machine, "Nvml", None)
    assert Machine().gpus(wait_s=60) == []
