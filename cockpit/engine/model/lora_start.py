"""An adapter that begins with the main directions of its layers' weights (PiSSA, OLoRA), on a base that stays as it is

peft takes what the adapter begins with out of the base's weights, so that its base is another one from then on. Here
the adapter has twice the rank: in one half what it begins with, which is trained, and in the other the same taken off,
which stands still. Both together are nothing at first, and at each step what peft has: W - s B0 A0 + s B A. So the base
without the adapter, checkpoints, merging and whatever loads the adapter elsewhere are as for any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from cockpit.recipe.lora import Lora

NAME = "default"
"""What peft calls the adapter that is trained."""
ROUNDS = 16
"""Of the approximate singular values of pissa_niter_16."""


class Half(NamedTuple):
    """A weight of the adapter, [2 r, in] or [out, 2 r], and along which dimension its second half stands still."""

    weight: torch.nn.Parameter
    along: int


def begin_with_main_directions(model: Any, lora: Lora) -> None:
    """Set the fresh adapter of rank 2 r to the beginning that the recipe names."""
    start = STARTS[lora.init]
    for layer in _layers(model):
        down, up = layer.lora_A[NAME].weight, layer.lora_B[NAME].weight
        rank = down.shape[0] // 2
        weight = layer.get_base_layer().weight.detach().float()
        if layer.fan_in_fan_out:  # GPT-2's layers hold it as [in, out]
            weight = weight.T
        first, second = start(weight, rank, layer.scaling[NAME])
        many = len(first)
        with torch.no_grad():
            down[:many], up[:, :many] = first.to(down), second.to(up)
            down[rank : rank + many], up[:, rank : rank + many] = first.to(down), -second.to(up)


def gives_nothing(model: Any, name: str) -> bool:
    """Whether the adapter of that name is nothing beside the base: as a fresh one is, and one whose halves cancel each
    other out."""
    return all(_gives_nothing(layer.lora_A[name].weight, layer.lora_B[name].weight) for layer in _layers(model, name))


def _gives_nothing(down: torch.Tensor, up: torch.Tensor) -> bool:
    if not torch.count_nonzero(up):
        return True
    rank, odd = divmod(len(down), 2)
    counts = up[:, :rank].any(0)
    opposite = not odd and torch.equal(up[:, :rank], -up[:, rank:])
    return opposite and torch.equal(down[:rank][counts], down[rank:][counts])


def hold_still(model: Any, optimizer: torch.optim.Optimizer) -> None:
    """Keep the second half of each weight as it is: it gets no gradient, and no decay of weights."""
    halves = [half for layer in _layers(model) for half in _halves(layer)]
    kept: list[torch.Tensor] = []
    for half in halves:
        half.weight.register_hook(_without_second_half(half.along))

    def remember(*_: Any) -> None:
        if not kept:  # a resumed run has taken its weights up by now
            kept.extend(_second(half).detach().clone() for half in halves)

    def put_back(*_: Any) -> None:
        with torch.no_grad():
            for half, value in zip(halves, kept, strict=True):
                _second(half).copy_(value)

    optimizer.register_step_pre_hook(remember)
    optimizer.register_step_post_hook(put_back)


def _by_singular_values(weight: torch.Tensor, rank: int, scaling: float) -> tuple[torch.Tensor, torch.Tensor]:
    """PiSSA (arXiv 2404.02948): A [r, in] and B [out, r] of the largest singular values, half of each in either."""
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    return _shared_out(left[:, :rank], values[:rank], right[:rank], scaling)


def _by_some_rounds(weight: torch.Tensor, rank: int, scaling: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The same, by an approximation that takes seconds where the other takes minutes."""
    left, values, right = torch.svd_lowrank(weight, min(rank, *weight.shape), niter=ROUNDS)
    return _shared_out(left, values, right.T, scaling)


def _shared_out(
    left: torch.Tensor, values: torch.Tensor, right: torch.Tensor, scaling: float
) -> tuple[torch.Tensor, torch.Tensor]:
    roots = (values / scaling).sqrt()
    return roots[:, None] * right, left * roots


def _by_orthogonal_columns(weight: torch.Tensor, rank: int, scaling: float) -> tuple[torch.Tensor, torch.Tensor]:
    """OLoRA (arXiv 2406.01775): A is of the upper rows of R, and B of the first columns of Q, where W = Q R."""
    orthogonal, upper = torch.linalg.qr(weight)
    return upper[:rank], orthogonal[:, :rank]


STARTS: dict[str, Callable[[torch.Tensor, int, float], tuple[torch.Tensor, torch.Tensor]]] = {
    "pissa": _by_singular_values,
    "pissa_niter_16": _by_some_rounds,
    "olora": _by_orthogonal_columns,
}


def _layers(model: Any, name: str = NAME) -> Iterator[Any]:
    """The linear layers that have the adapter; in four bits they are of classes of their own."""
    from peft.tuners.lora import LoraLayer

    return (layer for layer in model.modules() if isinstance(layer, LoraLayer) and name in layer.lora_A)


def _halves(layer: Any) -> tuple[Half, Half]:
    return Half(layer.lora_A[NAME].weight, 0), Half(layer.lora_B[NAME].weight, 1)


def _second(half: Half) -> torch.Tensor:
    rank = half.weight.shape[half.along] // 2
    return half.weight.data.narrow(half.along, rank, rank)


def _without_second_half(along: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def masked(gradient: torch.Tensor) -> torch.Tensor:
        rank = gradient.shape[along] // 2
        gradient = gradient.clone()
        gradient.narrow(along, rank, rank).zero_()
        return gradient

    return masked
