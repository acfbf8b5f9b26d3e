"""Makes every picture anew, the same each time: python -m screenshots [FOLDER]."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RECORDING = HERE / "recording"
STILL_FRAMES = 12
"""Frames, 50 ms apart, that have to be the same before a picture is taken."""
TALKED_AFTER_S = 4.0
"""How long after the last event the pictures of the whole run are taken."""

Prepare = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True)
class Picture:
    """One picture: `until_step` of the recording is shown (None: all of it), and it fails there if `fails`."""

    name: str
    width: int
    height: int
    prepare: Prepare
    run: bool = True
    until_step: int | None = None
    fails: bool = False


async def _as_it_is(pilot: Any) -> None:
    """Nothing to press."""


async def _edit(pilot: Any) -> None:
    await pilot.press("e")


async def _look_at_data(pilot: Any) -> None:
    await pilot.press("e", "f6")
    await _until(pilot, lambda: pilot.app.screen.has_class("-looked"))


async def _chat(pilot: Any) -> None:
    await pilot.press("c")


PICTURES = [
    Picture("recipes", 120, 40, _as_it_is, run=False),
    Picture("editor", 120, 40, _edit, run=False),
    Picture("data", 120, 40, _look_at_data, run=False),
    Picture("live", 120, 40, _as_it_is, until_step=85),
    Picture("live-80x24", 80, 24, _as_it_is, until_step=85),
    Picture("chat", 120, 40, _chat),
    Picture("failed", 120, 40, _as_it_is, until_step=85, fails=True),
]


def make_run(folder: Path, picture: Picture) -> tuple[Path, float]:
    """The recording as far as the picture shows it, as a run in `folder`; and the time at which it is looked at."""
    from cockpit.protocol import event_lines
    from cockpit.protocol import events as ev
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.relief import reliefs
    from cockpit.runs.folder import RunDir
    from cockpit.runs.liveness import EngineIdentity

    kept: dict[str, list[bytes]] = {}
    now = 0.0
    events = [event_lines.decode(line) for line in (RECORDING / "events.jsonl").read_bytes().splitlines()]
    run_id = next(event.run_id for event in events if isinstance(event, ev.RunStarted))
    steps = {event.step: event.at for event in events if isinstance(event, ev.StepEnded)}
    last_reply = event_lines.decode((RECORDING / "chat.jsonl").read_bytes().splitlines()[-1])
    assert last_reply is not None
    ends_at = last_reply.at if picture.until_step is None else steps[picture.until_step]
    for name in ("events.jsonl", "gpu.jsonl", "chat.jsonl"):
        for line in (RECORDING / name).read_bytes().splitlines(keepends=True):
            event = event_lines.decode(line)
            if event is not None and event.at <= ends_at:
                kept.setdefault(name, []).append(line)
                now = max(now, event.at)
    if picture.fails:
        ways = reliefs(RecipeDocument.load(RECORDING / "recipe.yaml").recipe())
        ended = ev.RunEnded(
            outcome="out_of_memory",
            step=picture.until_step or 0,
            at=now,
            reason="Memory of the machine ran out: the batch in hand had 16 rows of 82 tokens.",
            relaunches=tuple(ev.Relaunch(**way._asdict()) for way in ways),
        )
        kept["events.jsonl"] += [
            event_lines.encode(ended),
            event_lines.encode(ev.EngineExited(reason="the run has ended", at=now)),
        ]
    run = RunDir.create(folder / run_id)
    shutil.copy(RECORDING / "recipe.yaml", run.recipe)
    run.adapter.mkdir()
    for name, lines in kept.items():
        (run.path / name).write_bytes(b"".join(lines))
    run.write_identity(EngineIdentity.of_this_process("unsloth"))
    now += 0.5 if picture.until_step else TALKED_AFTER_S
    run.heartbeat.touch()
    for path in (run.heartbeat, run.recipe):
        os.utime(path, (now, now))
    return run.path, now


async def take(picture: Picture, target: Path) -> None:
    """Show the run in the app as a person would see it, and write what stands on the screen."""
    from cockpit.paths import runs_folder
    from cockpit.protocol import events as ev
    from cockpit.runs.folder import RunDir
    from cockpit.ui.app import CockpitApp
    from tests.ui.engines import FakeEngines, FakeProbe

    shutil.rmtree(runs_folder(), ignore_errors=True)
    path, now = make_run(runs_folder(), picture)
    time.time = lambda: now if picture.run else now + 600  # the clock stands still: ages and durations are the same
    engines = FakeEngines()
    app = CockpitApp(open_run=RunDir(path) if picture.run else None, engines=engines, probe=FakeProbe())
    async with app.run_test(size=(picture.width, picture.height)) as pilot:
        await _until(pilot, lambda: getattr(app.screen_stack[0], "is_filled", False))
        if not picture.run:
            await _until(pilot, lambda: bool(engines.started))
            engines.started[0].link.events = [
                ev.EngineStarted(pid=4711, host="here", backend="unsloth"),
                ev.PhaseStarted(phase="standby"),
            ]
            await _until(pilot, lambda: app.engine_status.stage == "warm")
        else:
            await _until(pilot, lambda: app.session is not None and app.session.state.run is not None)
        await picture.prepare(pilot)
        drawn = await still(pilot)
    (target / f"{picture.name}.svg").write_text(without_network(drawn), encoding="utf-8")


async def still(pilot: Any) -> str:
    """The picture, once nothing moves on it any more."""
    seen: list[Any] = []
    while len(seen) < STILL_FRAMES or any(frame != seen[-1] for frame in seen[-STILL_FRAMES:]):
        await pilot.pause(0.05)
        seen.append([list(row) for row in pilot.app.screen._compositor.render_strips()])
    return str(pilot.app.export_screenshot(title="cockpit"))


def without_network(svg: str) -> str:
    """The picture with the reader's own monospaced font: nothing is fetched when it is looked at."""
    svg = re.sub(r"@font-face\s*{[^}]*}\s*", "", svg)
    return svg.replace("Fira Code, monospace", "Fira Code, DejaVu Sans Mono, Menlo, Consolas, monospace")


async def _until(pilot: Any, condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        await pilot.pause(0.02)
    raise TimeoutError("The screen did not come to show what it should.")


def main() -> None:
    """All pictures, into this folder or into the one that is named."""
    target = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else HERE
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.chdir(home)
        os.environ |= {"COCKPIT_HOME": ".local/share/cockpit", "TZ": "UTC", "COLORTERM": "truecolor"}
        for name in ("CONFIG", "CACHE", "DATA", "STATE"):
            os.environ[f"XDG_{name}_HOME"] = f"{home}/.{name.lower()}"
        os.environ.pop("NO_COLOR", None)
        time.tzset()
        for picture in PICTURES:
            asyncio.run(take(picture, target))
            print(target / f"{picture.name}.svg")


if __name__ == "__main__":
    main()
