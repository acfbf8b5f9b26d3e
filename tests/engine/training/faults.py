"""Faults put beneath a real run: what the trainer gets of losses, gradients, rates and time is spoilt from a step on"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import Trainer

from cockpit.engine.machine import Machine
from cockpit.engine.training import step_metrics, watchdogs
from cockpit.engine.training import trainer as run_trainer
from cockpit.engine.training import watchdog_rules as rules
from cockpit.protocol.events import GpuReading, MachineRead

Spoil = Callable[[Any, torch.Tensor], torch.Tensor]
"""Of a model, whose gradients are there, and a loss: the loss that is told."""


def spoil_steps(patch: pytest.MonkeyPatch, faults: dict[range, Spoil]) -> None:
    """Let each fault befall the steps that it is for."""
    training_step = Trainer.training_step

    def spoilt(trainer: Any, model: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        loss = training_step(trainer, model, *args, **kwargs)
        for steps, fault in faults.items():
            if trainer.state.global_step + 1 in steps:
                loss = fault(model, loss)
        return loss

    patch.setattr(Trainer, "training_step", spoilt)


def no_number(model: Any, loss: torch.Tensor) -> torch.Tensor:
    return loss * math.nan


def tripled(model: Any, loss: torch.Tensor) -> torch.Tensor:
    return loss * 3


def nothing(model: Any, loss: torch.Tensor) -> torch.Tensor:
    _scale_gradients(model, 0.0)
    return loss * 0


def steep(model: Any, loss: torch.Tensor) -> torch.Tensor:
    _scale_gradients(model, 1000.0)
    return loss


def slow(model: Any, loss: torch.Tensor) -> torch.Tensor:
    time.sleep(0.1)
    return loss


def hanging(patch: pytest.MonkeyPatch) -> Spoil:
    """A step that hangs until it was found to have stalled. No other step is, however long a busy machine takes."""
    stalled, begun, told = rules.stalled, threading.Event(), threading.Event()

    def found(*args: Any, **kwargs: Any) -> str:
        finding = stalled(*args, **kwargs) if begun.is_set() else ""
        if finding:
            told.set()
        return finding

    def hang(model: Any, loss: torch.Tensor) -> torch.Tensor:
        begun.set()
        assert told.wait(60)
        begun.clear()
        return loss

    patch.setattr(rules, "stalled", found)
    return hang


def time_steps(patch: pytest.MonkeyPatch, slow: range) -> None:
    """The watchdogs are told that these steps take six times as long as all others."""
    step_ended = watchdogs.Watchdogs.step_ended

    def timed(told: Any, step: int, figures: Any, took_s: float, planned: float | None) -> None:
        step_ended(told, step, figures, 0.12 if step in slow else 0.02, planned)

    patch.setattr(watchdogs.Watchdogs, "step_ended", timed)


def _scale_gradients(model: Any, factor: float) -> None:
    for weight in model.parameters():
        if weight.grad is not None:
            weight.grad.mul_(factor)


def freeze_rate(patch: pytest.MonkeyPatch, steps: range) -> None:
    """The scheduler does not move after these steps."""
    step = LambdaLR.step
    taken = [0]

    def frozen(scheduler: Any, *args: Any) -> None:
        taken[0] += 1
        if taken[0] - 1 not in steps:  # it is moved once when it is made
            step(scheduler, *args)

    patch.setattr(LambdaLR, "step", frozen)


def mask_all(patch: pytest.MonkeyPatch, steps: range) -> None:
    """No token of these steps, of two batches each, counts as trained."""
    token_counts, batches = step_metrics.token_counts, [0]

    def masked(inputs: dict[str, Any]) -> torch.Tensor:
        batches[0] += 1
        counts = token_counts(inputs)
        return counts * torch.tensor([1, 0]) if (batches[0] + 1) // 2 in steps else counts

    patch.setattr(run_trainer, "token_counts", masked)


def fill_vram(patch: pytest.MonkeyPatch) -> None:
    """The machine has a GPU whose memory is nearly used up."""
    read = Machine.read
    gpu = GpuReading(index=0, uuid="GPU-0", name="H200", vram_used_mib=139_000, vram_total_mib=143_000)

    def full(machine: Machine, step: int) -> MachineRead:
        found = read(machine, step)
        return MachineRead(
            step=step,
            gpus=[gpu],
            cpu_percent=found.cpu_percent,
            rss_mib=found.rss_mib,
            ram_used_mib=found.ram_used_mib,
            ram_total_mib=found.ram_total_mib,
        )

    patch.setattr(Machine, "read", full)


def fill_disk(patch: pytest.MonkeyPatch) -> None:
    """The disk has next to no room."""
    full = SimpleNamespace(disk_usage=lambda path: SimpleNamespace(free=1 << 20))
    patch.setattr(watchdogs, "shutil", full)


def be_impatient(patch: pytest.MonkeyPatch) -> None:
    """Blocks and patience of seconds, where a real run has minutes."""
    patch.setattr(rules, "BLOCK_S", 0.1)
    patch.setattr(rules, "STALLS_AFTER_S", 1.0)


def too_much(model: Any, loss: torch.Tensor) -> torch.Tensor:
    """The GPU has no memory left."""
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB free.")
