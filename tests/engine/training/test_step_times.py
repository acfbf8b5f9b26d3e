"""Where the time of a step goes: on the CPU by the clock, on a GPU by its own."""

from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from cockpit.engine.training.step_times import StepTimes


class FakeEvent:
    """Each one stands 1.5 s after the one before, in the device's time."""

    marked: ClassVar[list["FakeEvent"]] = []

    def __init__(self, *, enable_timing: bool) -> None:
        self.is_waited_for = not enable_timing

    def record(self) -> None:
        self.marked.append(self)

    def synchronize(self) -> None:
        self.is_waited_for = True

    def elapsed_time(self, end: "FakeEvent") -> float:
        assert end.is_waited_for
        return 1500.0 * (self.marked.index(end) - self.marked.index(self))


def test_on_the_cpu_the_parts_are_taken_by_the_clock_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 2.0, 10.0, 13.0, 20.0, 24.0])
    clock = SimpleNamespace(monotonic=lambda: next(now))
    monkeypatch.setattr("cockpit.engine.training.step_times.time", clock)
    times = StepTimes()
    with times.data():
        pass
    for _ in range(2):
        with times.model():
            pass
    assert times.data_s == 2.0
    assert times.take() == (2.0, 7.0)
    assert times.take() == (0.0, 0.0)


def test_on_a_gpu_its_own_clock_tells_and_a_step_that_fails_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    times = StepTimes()
    for _ in range(2):
        with times.model():
            pass
    with pytest.raises(MemoryError), times.model():
        raise MemoryError
    assert times.take() == (0.0, 3.0)
    with times.model():
        pass
    times.drop()
    assert times.take() == (0.0, 0.0)
