"""What a run costs: its time on its GPUs, at the price of an hour."""

from pathlib import Path

import pytest

from cockpit.runs.cost import cost, cost_in_all
from cockpit.runs.state import RunState
from cockpit.settings import Price
from tests.recording import record
from tests.ui.stage import recorded

PRICE = Price(36.0, "EUR")
"""A cent a second."""


def state_of(path: Path, gpus: int, **kwargs: object) -> RunState:
    state = RunState()
    state.take(recorded(record(path, gpus=gpus, **kwargs)))  # type: ignore[arg-type]
    return state


@pytest.mark.parametrize("gpus", [1, 2])
def test_each_gpu_is_paid_for_from_start_to_end(tmp_path: Path, gpus: int) -> None:
    state = state_of(tmp_path, gpus)
    assert state.elapsed_s is not None
    assert cost(state, PRICE) == f"{gpus * state.elapsed_s / 100:.2f} EUR"
    assert cost_in_all(state, PRICE) is None, "it has ended"


def test_what_is_left_is_paid_too(tmp_path: Path) -> None:
    state = state_of(tmp_path, 1, ending="going", until=150)
    eta = state.eta()
    assert eta is not None and state.elapsed_s is not None
    assert cost_in_all(state, PRICE) == f"{(state.elapsed_s + eta[0]) / 100:.2f} EUR"


def test_nothing_is_said_without_a_price_or_a_gpu(tmp_path: Path) -> None:
    assert cost(state_of(tmp_path / "a", 1), None) is None
    assert cost(state_of(tmp_path / "b", 0), PRICE) is None
    assert cost(RunState(), PRICE) is None
