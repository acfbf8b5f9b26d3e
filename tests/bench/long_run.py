"""A run of any length, as an engine writes it, for measurements: its logs, and an engine that goes on with it."""

from __future__ import annotations

import math
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from cockpit.protocol import event_lines
from cockpit.protocol import events as ev
from cockpit.protocol.event_log import EventWriter
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from tests.recording import RECIPE

GPU_MIB = 143_771.0
STEP_S = 0.3
"""How long each step of the past took."""


@dataclass
class Course:
    """Steps whose figures look like those of a real run: sixteen digits each, a loss that falls and rustles."""

    total_steps: int
    noise: random.Random = field(default_factory=lambda: random.Random(7))

    def step(self, number: int, at: float = 0.0) -> ev.StepEnded:
        """The step's event."""
        rustle = self.noise.random()
        metrics: dict[str, float | None] = {
            "loss": 0.6 + 2.2 * math.exp(-8 * number / self.total_steps) + 0.4 * rustle,
            "grad_norm": 0.4 + rustle / 3,
            "tokens_seen": 4096.0 * number,
            "trained_tokens": 1930.0 * number,
            "learning_rate": 2e-4 * (1 - number / (self.total_steps + 1)),
        }
        return ev.StepEnded(
            seq=number,
            at=at,
            step=number,
            total_steps=self.total_steps,
            epoch=number / 74.75,
            step_time_s=STEP_S + rustle / 100,
            metrics=metrics,
        )

    def reading(self, step: int, at: float = 0.0) -> ev.MachineRead:
        """What the machine, with one GPU, does meanwhile."""
        gpu = ev.GpuReading(
            index=0,
            uuid="GPU-0",
            name="NVIDIA H200",
            vram_used_mib=7000 + 100 * self.noise.random(),
            vram_total_mib=GPU_MIB,
            vram_this_run_mib=6800.0,
            utilization_percent=float(self.noise.randrange(80, 100)),
            temperature_c=61.0,
            power_w=500 + 50 * self.noise.random(),
        )
        cpu = 100 + self.noise.random()
        return ev.MachineRead(
            at=at, step=step, gpus=[gpu], cpu_percent=cpu, rss_mib=1212.5, ram_used_mib=3410.0, ram_total_mib=15990.0
        )


def write_run(folder: Path, steps: int, *, total_steps: int | None = None, is_over: bool = False) -> RunDir:
    """A run in `folder` with so many steps of `total_steps` behind it, and readings once a second. This process stands
    as its engine, unless the run `is_over`."""
    run = RunDir.create(folder)
    course = Course(total_steps or steps)
    run.recipe.write_text(RECIPE.replace("max_steps: 300", f"max_steps: {course.total_steps}"), encoding="utf-8")
    run.engine_log.touch()
    began = time.time() - steps * STEP_S
    with run.events.open("wb") as log, run.gpu.open("wb") as readings:
        for event in _beginning(course.total_steps, began, run.id):
            log.write(event_lines.encode(event))
        for step in range(1, steps + 1):
            at = began + step * STEP_S
            log.write(event_lines.encode(course.step(step, at)))
            if step % round(1 / STEP_S) == 0:
                readings.write(event_lines.encode(course.reading(step, at)))
            if step % max(1, steps // 20) == 0:
                metrics = {"eval_loss": 0.8 + 2.2 * math.exp(-8 * step / course.total_steps)}
                log.write(event_lines.encode(ev.Evaluated(at=at, step=step, duration_s=2.0, metrics=metrics)))
        if is_over:
            log.write(event_lines.encode(ev.RunEnded(at=time.time(), outcome="completed", step=steps)))
            log.write(event_lines.encode(ev.EngineExited(at=time.time(), reason="the run has ended")))
    if not is_over:
        run.write_identity(EngineIdentity.of_this_process("unsloth"))
    return run


def _beginning(total_steps: int, at: float, run_id: str) -> list[ev.AnyEvent]:
    return [
        ev.EngineStarted(at=at, pid=os.getpid(), host="here", backend="unsloth"),
        ev.RunStarted(at=at, run_id=run_id, recipe_name="demo", command=[], versions={}, gpus=["NVIDIA H200"],
                      driver="580", data_sha256={}),
        ev.DataPrepared(at=at, train_rows=1196, eval_rows=64, skipped_rows=0, truncated_rows=0, tokens=38_272,
                        trained_tokens=17_990),
        ev.TrainingPlanned(at=at, total_steps=total_steps, steps_per_epoch=74.75, trainable_parameters=196_608,
                           total_parameters=1_835_008),
        ev.PhaseStarted(at=at, phase="training"),
    ]  # fmt: skip


class GoingOn:
    """The engine of `run`, after `step`: `go_on` writes the steps and readings that are due by now."""

    def __init__(self, run: RunDir, step: int, total_steps: int, steps_per_s: float) -> None:
        self._course, self._step, self._first, self._per_s = Course(total_steps), step, step, steps_per_s
        self._events, self._readings = EventWriter(run.events), EventWriter(run.gpu)
        self._began = self._read_at = time.monotonic()

    def go_on(self) -> None:
        """Write what is due."""
        now = time.monotonic()
        while self._step - self._first < (now - self._began) * self._per_s:
            self._step += 1
            self._events.append(self._course.step(self._step))
        if now - self._read_at >= 1.0:
            self._read_at += 1.0
            self._readings.append(self._course.reading(self._step))

    def close(self) -> int:
        """Leave the run; its last step."""
        self._events.close()
        self._readings.close()
        return self._step
