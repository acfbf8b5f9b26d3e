"""What a run costs: the time that it holds its GPUs, at the price of an hour"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cockpit.runs.state import RunState
    from cockpit.settings import Price


def cost(state: RunState, price: Price | None) -> str | None:
    """So far, of all attempts; None without a price, on the CPU, and where it is not known. A pause counts, as the GPUs
    are held meanwhile."""
    gpus, elapsed_s = _gpus(state), state.elapsed_s
    return None if price is None or not gpus or elapsed_s is None else price.of(gpus * elapsed_s)


def cost_in_all(state: RunState, price: Price | None) -> str | None:
    """What it will have cost at the end of its training; None where that is not known."""
    gpus, elapsed_s, eta = _gpus(state), state.elapsed_s, state.eta()
    if price is None or not gpus or elapsed_s is None or eta is None:
        return None
    return price.of(gpus * (elapsed_s + eta[0]))


def _gpus(state: RunState) -> int:
    return len(state.run.gpus) if state.run is not None else 0
