"""Glance: a run in a word, read from the end of its log within a few milliseconds, by modules that are quick to import

It is for a line in a prompt, in tmux or in a script, which asks again and again. What it says agrees with RunSummary;
that, and all that lists runs, reads logs by `protocol/events.py`, which takes longer to import than all of this.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cockpit.runs.lock_state import LOCK, boot_id, lock_state, pid_namespace

if TYPE_CHECKING:
    from pathlib import Path

    from cockpit.protocol.events import Phase
    from cockpit.runs.status import State

HEAD_BYTES, TAIL_BYTES, MOST_BYTES = 1 << 16, 1 << 16, 1 << 24
SILENT_AFTER_S, STARTS_WITHIN_S = 30.0, 10.0
"""As in runs/liveness.py."""
PACE_STEPS = 64


@dataclass
class Glance:
    """None: not known. `silence_s`: since the engine's last sign of life; `alarms`: watchdogs that speak.
    `figure` is what the run is judged by, `value` and `held_out` are what it was last."""

    run_id: str
    state: State = "starting"
    phase: Phase | None = None
    step: int = 0
    total_steps: int | None = None
    loss: float | None = None
    eval_loss: float | None = None
    figure: str = "loss"
    value: float | None = None
    held_out: float | None = None
    alarms: list[str] = field(default_factory=list)
    reason: str = ""
    eta_s: float | None = None
    step_s: float | None = None
    silence_s: float | None = None

    @classmethod
    def at(cls, folder: Path) -> Glance:
        """Of the run in that folder; one whose log cannot be read is `starting`."""
        events = _events(os.path.join(folder, "events.jsonl"))  # noqa: PTH118
        found = cls(os.path.basename(folder))  # noqa: PTH119
        ended, attempt, main, times = "", 1, "loss", list[tuple[float, float]]()
        for event in events:
            if event.get("attempt", 1) > attempt:
                attempt, ended, times, found.alarms, found.reason = event["attempt"], "", [], [], ""
            kind = event.get("type")
            if kind == "RunEnded":
                ended, found.reason = event.get("outcome", ""), event.get("reason", "")
                found.step = max(found.step, event.get("step", 0))
            elif kind == "StepEnded":
                metrics = event.get("metrics") or {}
                found.step, found.loss, found.value = event.get("step", 0), metrics.get("loss"), metrics.get(main)
                times.append((event.get("at", 0.0), event.get("step_time_s") or 0.0))
            elif kind in ("TrainingPlanned", "ScheduleChanged"):
                found.total_steps = event.get("total_steps")
                if isinstance(told := event.get("main"), dict):
                    main, found.figure = str(told.get("name", main)), str(told.get("label", found.figure))
            elif kind == "TrainingResumed":
                found.step = event.get("step", 0)
            elif kind == "Evaluated":
                metrics = event.get("metrics") or {}
                found.eval_loss, found.held_out = metrics.get("eval_loss"), metrics.get(f"eval_{main}")
            elif kind == "PhaseStarted":
                found.phase = event.get("phase")
            elif kind == "WatchdogFired":
                found.alarms = [*found.alarms, event.get("watchdog", "")]
            elif kind == "WatchdogCleared":
                found.alarms = [one for one in found.alarms if one != event.get("watchdog")]
        found._tell_pace(times[-PACE_STEPS:])
        found.silence_s = _silence_s(folder)
        found.state = ended or _state(folder, events)  # type: ignore[assignment]
        if ended or found.phase == "paused" or found.state != "running":
            found.eta_s = None
        return found

    def _tell_pace(self, times: list[tuple[float, float]]) -> None:
        if times:
            self.step_s = sorted(took for _, took in times)[len(times) // 2]
        if len(times) > 2 and self.total_steps:
            between = (times[-1][0] - times[1][0]) / (len(times) - 2)  # the first step of an attempt compiles
            self.eta_s = max(0.0, between * (self.total_steps - self.step))


def newest_run(runs: Path, name: str = "last") -> tuple[Path | None, str]:
    """The folder of the run with that id, the beginning of one or `last`; else None and why, in a sentence."""
    found = []
    try:
        for path in runs.iterdir():
            if path.name.startswith("."):
                continue
            try:
                found.append(((path / "recipe.yaml").stat().st_mtime, path))
            except OSError:
                continue
    except OSError:
        pass
    if not found:
        return None, f"There are no runs in {runs} yet; start one with: cockpit train demo"
    if name == "last":
        return max(found)[1], ""
    alike = [path for _, path in found if path.name == name] or [
        path for _, path in found if name and path.name.startswith(name)
    ]
    if len(alike) == 1:
        return alike[0], ""
    if alike:
        return None, f"Several runs begin with '{name}'; give more of the id."
    from cockpit.runs.folder import RunDir
    from cockpit.runs.label import is_name_of

    why = is_name_of(name, [RunDir(path) for _, path in found])
    return None, why or f"No run is called '{name}'; 'cockpit runs' lists all {len(found)}, and 'last' is the newest."


def _events(path: str) -> list[dict[str, Any]]:
    """Of the log's head and of its end; more of the end where that holds no step."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as log:  # noqa: PTH123
            size, tail_bytes = os.fstat(log.fileno()).st_size, TAIL_BYTES
            head = log.read(HEAD_BYTES)
            if size <= HEAD_BYTES:
                return _decoded(head)
            while True:
                start = log.seek(max(HEAD_BYTES, size - tail_bytes))
                tail = log.read(tail_bytes)
                if b'"type":"StepEnded"' in tail or start == HEAD_BYTES or tail_bytes >= MOST_BYTES:
                    break
                tail_bytes *= 16
    except OSError:
        return []
    planned = [event for event in _decoded(head) if event.get("type") != "StepEnded"]
    return planned + _decoded(tail[tail.find(b"\n") + 1 :] if start > HEAD_BYTES else head[-1:] + tail)


def _decoded(lines: bytes) -> list[dict[str, Any]]:
    found = []
    for line in lines.split(b"\n"):
        if b'"type":"LogWritten"' in line or b'"type":"PhaseProgressed"' in line:
            continue
        try:
            event = json.loads(line) if line else None
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            found.append(event)
    return found


def _state(folder: Path, events: list[dict[str, Any]]) -> str:
    """Of a run without an end: what its engine's files say."""
    has_exited = bool(events) and events[-1].get("type") == "EngineExited"
    lock, silence_s = lock_state(folder), _silence_s(folder)
    try:
        with open(os.path.join(folder, "engine.json"), "rb") as named:  # noqa: PTH118, PTH123
            identity = json.loads(named.read(1 << 16))
        boot, pid = identity["boot_id"], int(identity["pid"])
    except (OSError, ValueError, TypeError, KeyError):
        if lock == "held":
            return "starting"
        made_s = min((_age(folder, name) for name in (LOCK, "commands")), default=0.0)
        return "lost" if has_exited or (silence_s is None and made_s > STARTS_WITHIN_S) else "starting"
    if has_exited:
        return "lost"
    if (boot, identity.get("pid_namespace")) == (boot_id(), pid_namespace()):
        return "running" if lock == "held" or (lock == "unknown" and _runs(pid)) else "lost"
    if silence_s is not None and silence_s < SILENT_AFTER_S:
        return "running"
    rebooted = identity.get("host") == os.uname().nodename and boot != boot_id() and lock != "held"
    return "lost" if rebooted else "silent"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _silence_s(folder: Path) -> float | None:
    ages = [_age(folder, name) for name in ("heartbeat", "engine.json")]
    return next((age for age in ages if age != float("inf")), None)


def _age(folder: Path, name: str) -> float:
    try:
        return abs(time.time() - os.stat(os.path.join(folder, name)).st_mtime)  # noqa: PTH116, PTH118
    except OSError:
        return float("inf")
