"""Engines that start at once and do as the test says, a driver that answers as the test says, and the app with both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual.app import App
from textual.color import Color
from textual.pilot import Pilot
from textual.renderables.background_screen import BackgroundScreen

from cockpit.launch.engines import EngineKey
from cockpit.machine.gpu import GpuReport
from cockpit.paths import runs_folder
from cockpit.protocol import events as ev
from cockpit.protocol.commands import AnyCommand
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import Liveness
from cockpit.ui.app import CockpitApp
from tests.ui.waiting import until

CPU = GpuReport()
H200 = ev.GpuReading(index=0, uuid="GPU-1", name="NVIDIA H200", vram_used_mib=1024.0, vram_total_mib=143_360.0)
L4 = ev.GpuReading(index=1, uuid="GPU-2", name="NVIDIA L4", vram_used_mib=24.0, vram_total_mib=23_034.0)
TWO_GPUS = GpuReport(gpus=[H200, L4], driver="580.1")


class FakeProcess:
    """A process that ends when the test says so."""

    pid = 4711
    stdin = None

    def __init__(self) -> None:
        self.status: int | None = None

    def poll(self) -> int | None:
        return self.status

    def wait(self, timeout: float | None = None) -> int | None:
        return self.status

    def terminate(self) -> None:
        self.status = -15

    def kill(self) -> None:
        self.status = -9


class FakeLink:
    """Hands out what the test puts into `events`; keeps what was sent."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.events: list[ev.AnyEvent] = []
        self.sent: list[AnyCommand] = []
        self.alive: Liveness = "alive"
        self.is_behind = False
        self.polls = 0

    def poll(self) -> list[ev.AnyEvent]:
        self.polls += 1
        batch, self.events = self.events, []
        return batch

    def send(self, command: AnyCommand) -> None:
        self.sent.append(command)

    def liveness(self) -> Liveness:
        return self.alive

    def silence_s(self) -> float:
        return self.run.silence_s()

    def close(self) -> None:
        pass


class FakeEngine:
    """As StartedEngine, on a FakeLink."""

    def __init__(self, key: EngineKey, said: list[str], name: str) -> None:
        self.key = key
        self.name = name
        self.said = said
        self.process = FakeProcess()
        self.link = FakeLink(RunDir(runs_folder() / name))
        self.recipe_text = self.fitted = ""
        self.refuses: OSError | None = None

    def train(
        self, recipe_text: str, name: str, command: list[str], *, written: str | None = None, fitted: str = ""
    ) -> RunDir:
        if self.refuses:
            raise self.refuses
        self.said.append(f"train {name} on {self.name}")
        self.recipe_text, self.fitted = recipe_text, fitted
        return self.link.run

    def resume(self, recipe_text: str, name: str, command: list[str], from_step: int | None = None) -> RunDir:
        self.said.append(f"resume {name} on {self.name}")
        self.recipe_text = recipe_text
        return self.link.run

    def dismiss(self) -> None:
        self.said.append(f"dismiss {self.name}")

    def discard(self) -> None:
        self.said.append(f"discard {self.name}")


@dataclass
class FakeEngines:
    """Starts FakeEngines; `said` is what was asked of it and of them, in order."""

    said: list[str] = field(default_factory=list)
    started: list[FakeEngine] = field(default_factory=list)
    forced: list[bool] = field(default_factory=list)
    """Of each engine that resumes a run: whether another one's silence was overruled."""
    refuses: OSError | None = None

    def start_standby(self, key: EngineKey) -> Any:
        return self._start(key, f"standby {key.backend} {key.gpu}")

    def start_engine(self, key: EngineKey, name: str) -> Any:
        return self._start(key, f"engine {key.backend} {key.gpu}")

    def start_resuming_engine(self, run: RunDir, key: EngineKey, *, force: bool = False) -> Any:
        self.forced.append(force)
        engine = self._start(key, f"resuming engine {key.backend} {key.gpu}")
        engine.link.run = run
        return engine

    def _start(self, key: EngineKey, what: str) -> FakeEngine:
        if self.refuses:
            raise self.refuses
        engine = FakeEngine(key, self.said, f"{len(self.started) + 1}")
        self.said.append(f"{what} = {engine.name}")
        self.started.append(engine)
        return engine


@dataclass
class FakeProbe:
    """The driver's answer; None until it is set."""

    report: GpuReport | None = CPU

    def poll(self) -> GpuReport | None:
        return self.report


RECIPE = """\
# a comment that stays
schema: 1
method: sft
about:
  title: A pirate in one minute
  description: Teaches the small model to talk like a pirate.
  needs: CPU
  duration: 1 min on 2 CPU cores
model:
  name_or_path: embedded:demo
  max_seq_length: 128
lora:
  r: 16
data:
  sources:
    - name_or_path: {data}
  eval_rows: 10
training:
  per_device_train_batch_size: 4
  gradient_accumulation_steps: 2
  max_steps: 300
  warmup_steps: 15
"""


def write_data(folder: Path, rows: int = 90) -> Path:
    """A file of prompts and answers."""
    path = folder / "rows.jsonl"
    path.write_text("".join(f'{{"prompt": "What is {n}?", "completion": "It is {n}."}}\n' for n in range(rows)))
    return path


def write_recipe(folder: Path, name: str, *, data: str = "embedded:pirate", **changes: str) -> Path:
    """A recipe file; `changes` are texts to replace by others, the keys with _ for a blank."""
    text = RECIPE.format(data=data)
    for was, now in changes.items():
        assert was in text
        text = text.replace(was, now)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def is_at(app: App[Any], screen: str) -> bool:
    """Whether the app shows the screen of this class, mounted."""
    return type(app.screen).__name__ == screen and app.screen.is_mounted


@asynccontextmanager
async def flown(
    size: tuple[int, int] = (120, 40),
    *,
    engines: FakeEngines | None = None,
    probe: FakeProbe | None = None,
    **options: Any,
) -> AsyncIterator[tuple[CockpitApp, Pilot[Any]]]:
    """The app with its recipes read."""
    app = CockpitApp(engines=engines or FakeEngines(), probe=probe or FakeProbe(), **options)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: getattr(app.screen_stack[0], "is_filled", False))
        await pilot.pause()
        yield app, pilot


def shown(app: App[Any]) -> str:
    """All that the screen shows, as text."""
    drawn = app.console.render(BackgroundScreen(app.screen, Color(0, 0, 0, 0)))
    text = "".join(segment.text for segment in drawn if not segment.control)
    return "\n".join(row.rstrip() for row in text.removesuffix("\n").split("\n"))
