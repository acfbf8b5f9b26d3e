"""Weights of which each of several ranks has a share (FSDP2): whole again for what needs them so

All calls are made by every rank at the same point, as those of `engine/rank.py` are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch


def whole(value: Any, *, keep: bool) -> Any:
    """A tensor with all ranks' shares of it, in the machine's memory; None where this rank does not `keep` it. What is
    no share is given back as it is."""
    from torch.distributed.tensor import DTensor

    if not isinstance(value, DTensor):
        return value
    found = value.full_tensor()
    return found.cpu() if keep else None


def whole_weights(model: Any, *, keep: bool, all_of_them: bool) -> dict[str, Any]:
    """The weights that are trained, or `all_of_them` with the buffers that are saved, by the names of the model's
    state_dict; on ranks that do not `keep` them nothing."""
    named = dict(model.named_parameters(remove_duplicate=False))
    first: dict[int, str] = {}
    found: dict[str, Any] = {}
    for name, value in model.state_dict().items():
        weight = named.get(name)
        if not all_of_them and (weight is None or not weight.requires_grad):
            continue
        known = first.setdefault(id(weight), name) if weight is not None else name
        full = whole(value, keep=keep) if known == name else found.get(known)  # tied weights stay one
        if keep:
            found[name] = full
    return found


def whole_optimizer(optimizer: Any, *, keep: bool) -> dict[str, Any]:
    """The optimizer's state_dict in the form that it has with one rank."""
    content = optimizer.state_dict()
    state = {
        index: {name: whole(value, keep=keep) for name, value in of_weight.items()}
        for index, of_weight in content["state"].items()
    }
    return {**content, "state": state}


def load_optimizer(optimizer: Any, content: Mapping[str, Any]) -> None:
    """Let the optimizer of sharded weights go on as the one of one rank that has saved `content`."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    def share(value: Any, weight: Any) -> Any:
        """What an optimizer remembers of each element is as large as its weight; a number of steps is not."""
        is_shared = isinstance(weight, DTensor) and isinstance(value, torch.Tensor) and value.dim() > 0
        return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements) if is_shared else value

    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    state = {
        index: {name: share(value, weights[index]) for name, value in of_weight.items()}
        for index, of_weight in content["state"].items()
    }
    optimizer.load_state_dict({**content, "state": state})


@contextmanager
def gathered(model: Any) -> Iterator[None]:
    """Inside, every rank holds all weights, so that one of them may use the model by itself."""
    from torch.distributed.fsdp import FSDPModule

    parts = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.reshard()
            part.set_reshard_after_forward(True, recurse=False)
