"""Ranks: the processes that train together, each with rows of its own, and what they tell each other at the same point

Rank 0 alone writes events and reads commands. What it knows and the others do not (a stop, the time that is left, which
checkpoint is best) is handed on by `share`; whatever all of them do together is done only after that. Each call here is
one that every rank makes, in the same order.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

Value = TypeVar("Value")
WAITS = timedelta(days=365)
"""How long ranks wait for rank 0, which may be paused; that one has died is seen otherwise (rank_watch.py)."""
LOOPBACK = "lo"
ALL_GPUS = "COCKPIT_GPUS"
"""What CUDA_VISIBLE_DEVICES was before each rank took its own GPU of it."""
_lost = re.compile(
    r"connection (was )?(closed|reset|refused)|broken pipe|peer|gloo|nccl|process group|socket|TCPStore|timed? ?out",
    re.I,
)


@dataclass(frozen=True)
class Rank:
    """Which of how many. `local`: which on its own machine."""

    index: int = 0
    world: int = 1
    local: int = 0
    node: int = 0
    """Which machine it is on, of several."""

    @classmethod
    def of_environment(cls) -> Rank:
        """As torchrun has it in the environment. Raises KeyError or ValueError where nothing has started ranks."""
        index, world, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
        return cls(index, world, local, int(os.environ.get("GROUP_RANK", "0")))

    def take_gpu(self) -> None:
        """Let this process see its own GPU alone, as the first one, before anything asks for GPUs: an import would take
        memory of another rank's. What all ranks of this machine see stays in ALL_GPUS."""
        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        if not named or self.world == 1:
            return
        os.environ[ALL_GPUS] = named
        os.environ["CUDA_VISIBLE_DEVICES"] = named.split(",")[self.local]
        os.environ["LOCAL_RANK"] = "0"

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes events."""
        return self.index == 0


class Ranks:
    """One rank's way to the others. Where it is the only one, nothing is sent and each call gives back what it got."""

    def __init__(self, rank: Rank | None = None) -> None:
        self.rank = rank or Rank()
        self.is_over = False
        """Whether the others may go: no call follows."""
        self._group: Any = None
        """A group over gloo of its own: waiting in it takes no GPU and has no deadline."""

    @property
    def world(self) -> int:
        """How many there are."""
        return self.rank.world

    @property
    def are_several(self) -> bool:
        """Whether there are others."""
        return self.rank.world > 1

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0."""
        return self.rank.is_first

    @property
    def on_several_machines(self) -> bool:
        """Whether some are on other machines than rank 0."""
        return int(os.environ.get("LOCAL_WORLD_SIZE", self.world)) < self.world

    def join(self) -> None:
        """Find the others, after `take_gpu`. Raises what torch raises where one is missing."""
        if not self.are_several:
            return
        import torch
        import torch.distributed as dist

        if not self.on_several_machines:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)  # a container's own name may lead nowhere
        if torch.cuda.is_available():
            torch.cuda.set_device(0)
            dist.init_process_group("nccl")
            self._group = dist.new_group(backend="gloo", timeout=WAITS)
        else:
            # accelerate calls a rank's CPU cpu:0, and torch does not know where that is when it loads a checkpoint.
            torch.serialization.register_package(
                15, lambda storage: None, lambda storage, place: storage if place.startswith("cpu:") else None
            )
            dist.init_process_group("gloo", timeout=WAITS)
            self._group = dist.new_group(backend="gloo", timeout=WAITS)

    def share(self, value: Value | None) -> Value:
        """Rank 0's `value`, on every rank; what the others give is left aside."""
        if not self.are_several:
            return value  # type: ignore[return-value]  # of the only rank it is the value
        import torch.distributed as dist

        held = [value if self.is_first else None]
        dist.broadcast_object_list(held, src=0, group=self._group)
        return held[0]  # type: ignore[return-value]

    def gather(self, value: Value) -> list[Value]:
        """Every rank's `value`, in the order of the ranks, on every rank."""
        if not self.are_several:
            return [value]
        import torch.distributed as dist

        found: list[Any] = [None] * self.world
        dist.all_gather_object(found, value, group=self._group)
        return found

    def sum(self, figures: Sequence[float]) -> list[float]:
        """The sums of all ranks' `figures`, in double precision; the same on every rank to the last bit."""
        if not self.are_several:
            return list(figures)
        import torch
        import torch.distributed as dist

        sums = torch.tensor(figures, dtype=torch.float64)
        dist.all_reduce(sums, group=self._group)
        return [float(one) for one in sums]

    def flag(self, is_set: bool) -> bool:
        """Rank 0's flag; the quickest of all calls."""
        if not self.are_several:
            return is_set
        import torch
        import torch.distributed as dist

        told = torch.tensor([int(is_set)])
        dist.broadcast(told, src=0, group=self._group)
        return bool(told.item())

    def wait(self) -> None:
        """Until every rank has come here."""
        self.sum([0.0])

    def in_turn(self, work: Callable[[], Value]) -> Value:
        """Do `work` on the first rank of each machine, and then on the others, which find what that one has made."""
        if self.rank.local:
            self.wait()
        done = work()
        if not self.rank.local:
            self.wait()
        return done

    def leave(self) -> None:
        """No rank needs the others any more: all but rank 0 may end."""
        if not self.are_several or self.is_over:
            return
        import torch.distributed as dist

        self.is_over = True
        self.wait()
        with suppress(Exception):  # one that has gone already closes its connections on us
            dist.destroy_process_group()


def is_loss_of_others(error: BaseException) -> bool:
    """Whether an exception says no more than that another rank was not there any longer."""
    name = type(error).__name__
    if name.startswith("Dist") and name.endswith("Error"):
        return True
    return isinstance(error, RuntimeError) and bool(_lost.search(str(error)))
