"""Optimizers that need a GPU, and those that take their place on the CPU."""

from typing import get_args

from cockpit.recipe.training import CPU_OPTIMIZERS, Optimizer


def test_each_8_bit_optimizer_has_one_of_full_precision_in_its_place() -> None:
    names = get_args(Optimizer)
    assert set(CPU_OPTIMIZERS) == {name for name in names if "8bit" in name}
    assert set(CPU_OPTIMIZERS.values()) <= set(names) - set(CPU_OPTIMIZERS)
