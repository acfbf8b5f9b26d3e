"""Lag of a 60 Hz timer in the app while its engine imports, loads and trains the demo; how soon a program paints."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.terminal import Terminal

STARTED_AFTER_S = 2.0
"""By then the app has imported all that its first screens need; the engine has been importing since about 0.4 s."""

HELLO = """
from textual.app import App
from textual.widgets import Label
class Hello(App):
    def compose(self):
        yield Label("hello world")
Hello().run()
"""

TIMED_APP = """
import json, os, time
from cockpit.ui.app import CockpitApp
class Timed(CockpitApp):
    lags, due, marks = [], None, []
    def on_mount(self):
        self.set_interval(1 / 60, self.tick)
    def tick(self):
        now = time.perf_counter()
        if self.due is not None:
            self.lags.append((now, max(0.0, now - self.due)))
        self.due = now + 1 / 60
app = Timed()
began = time.perf_counter()
app.run()
with open(os.environ["LAGS"], "w") as out:
    json.dump([(at - began, lag) for at, lag in app.lags], out)
"""


def first_paint(command: list[str], shown: str) -> float:
    """Seconds from starting `command` on a 120x40 terminal until it shows `shown`."""
    with tempfile.TemporaryDirectory() as home:
        began = time.perf_counter()
        with Terminal(command, env=_environment(home)) as terminal:
            while shown not in terminal.text:
                terminal.pump(0.005)
            return time.perf_counter() - began


def lags() -> list[tuple[float, float]]:
    """(time since the app began, lag) in seconds, while the demo is started, trained to its end and chatted with."""
    with tempfile.TemporaryDirectory() as home:
        out = Path(home) / "lags.json"
        command = [sys.executable, "-c", TIMED_APP]
        with Terminal(command, env=_environment(home) | {"LAGS": str(out)}) as terminal:
            terminal.wait_for("demo", 30)
            terminal.press("enter")
            terminal.wait_for("tuned", 400)
            terminal.press("ctrl+q")
            terminal.wait_for_end(30)
        return [tuple(pair) for pair in json.loads(out.read_text())]


def _environment(home: str) -> dict[str, str]:
    return dict(os.environ) | {"COCKPIT_HOME": f"{home}/cockpit", "XDG_CONFIG_HOME": f"{home}/config"}


def print_lags() -> None:
    """Print the lags of one run of the demo."""
    measured = lags()
    print("lag of a 60 Hz timer:")
    describe("all of it", [lag for _, lag in measured])
    describe("the app's own start", [lag for at, lag in measured if at < STARTED_AFTER_S])
    later = [lag for at, lag in measured if at >= STARTED_AFTER_S]
    describe("after that, the engine importing, loading, training", later)


def describe(name: str, lags_s: list[float]) -> None:
    """Print percentiles, in milliseconds, and the stalls over 100 ms."""
    ordered = sorted(1000 * lag for lag in lags_s)
    p50, p99 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
    stalls = sum(lag > 100 for lag in ordered)
    worst = f"worst {ordered[-1]:.0f} ms, {stalls} stalls over 100 ms"
    print(f"  {name}: {len(ordered):,} ticks, p50 {p50:.1f} ms, p99 {p99:.1f} ms, {worst}")
