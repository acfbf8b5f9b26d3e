"""How the app feels, through a real pseudo-terminal of 120x40: how soon it shows a long run, how soon a frame follows a
key, what it sends, and what it takes of the machine. A report, no test.

usage: python -m tests.bench.ui [--steps N ...] [--seconds S] [--keys K] [--pairs P] [--kinds KIND ...]
       [PART ...]
PART: `paint` (the first frame, as a ratio to Textual's hello-world), `attach` (a run of N steps, from the first frame
until its newest step is shown; reading it alone; its line in the list of runs), `keys` (from a key until the frame that
answers it: while the log is read, then with the run at rest, at 1 and at 100 steps a second), `rates` (CPU and bytes a
second with the run at rest, at 1 and at 100 steps a second), `replies` (from a key in the chat until the frame that
shows it, while a reply of each KIND of text streams), `lag` (of a 60 Hz timer in the app while its engine imports,
loads and trains the demo). All but `lag` where none is named. N: 10,000, 100,000 and 1,000,000.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cockpit.paths import runs_folder
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink
from cockpit.runs.state import RunState
from cockpit.runs.summary import RunSummary
from cockpit.text.numbers import count
from tests.bench.long_run import GoingOn, write_run
from tests.bench.replying import KINDS, Replying, text_of
from tests.bench.timer_lag import HELLO, first_paint, print_lags
from tests.terminal import Terminal

PARTS = ("paint", "attach", "keys", "rates", "replies")
STEPS = (10_000, 100_000, 1_000_000)
LOAD_STEPS_PER_S = (0, 1, 100)
BEGUN_TOKENS = (0, 20_000)
REPLY_TOKENS_PER_S = 100
"""As an 8B model replies on one H200."""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Watched:
    """The app on a run of so many steps, and what it takes."""

    def __init__(
        self, terminal: Terminal, run: RunDir, steps: int, total_steps: int, engine: Replying | None = None
    ) -> None:
        self.terminal, self.run, self.steps, self.total_steps = terminal, run, steps, total_steps
        self.engine: GoingOn | Replying | None = engine
        self.began = time.perf_counter()

    def watch(self, seconds: float) -> None:
        """Let it run for so long, the engine too."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if self.engine is not None:
                self.engine.go_on()
            assert self.terminal.pump(min(left, 0.005)), self.terminal.text

    def shown_after(self, shown: str, most_s: float = 60.0) -> float:
        """Seconds until the screen shows it."""
        began = time.perf_counter()
        while shown not in self.terminal.text:
            self.watch(0.002)
            assert time.perf_counter() - began < most_s, f"{shown!r} did not come:\n{self.terminal.text}"
        return time.perf_counter() - began

    def run_at(self, steps_per_s: float) -> None:
        """The engine goes on at this pace from now on; 0: it rests."""
        if isinstance(self.engine, GoingOn):
            self.steps = self.engine.close()
        self.engine = GoingOn(self.run, self.steps, self.total_steps, steps_per_s) if steps_per_s else None

    def cpu_s(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.terminal.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def rss_mib(pid: int) -> float:
    """Memory that a process has in use, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextmanager
def watching(steps: int) -> Iterator[Watched]:
    """The app, just started, on a run of so many steps that can go on."""
    with tempfile.TemporaryDirectory() as home:
        environment = dict(os.environ) | {"COCKPIT_HOME": f"{home}/cockpit", "XDG_CONFIG_HOME": f"{home}/config"}
        os.environ["COCKPIT_HOME"] = environment["COCKPIT_HOME"]
        total = steps + max(steps // 10, 10_000)
        run = write_run(runs_folder() / "long", steps, total_steps=total)
        with Terminal([sys.executable, "-m", "cockpit", "attach", "long"], env=environment) as terminal:
            yield Watched(terminal, run, steps, total)


def newest(steps: int) -> str:
    """What the line at the top shows once a run of so many steps is read."""
    return f"{count(steps)}/"


def paint(pairs: int) -> None:
    """Print the first frame's time."""
    ratios, ours = [], []
    for _ in range(pairs + 1):
        hello = first_paint([sys.executable, "-c", HELLO], "hello world")
        ours.append(first_paint([sys.executable, "-m", "cockpit"], "demo"))
        ratios.append(ours[-1] / hello)
    spread = f"{min(ratios[1:]):.2f} to {max(ratios[1:]):.2f}"
    print(f"first paint: {statistics.median(ours[1:]):.2f} s, median of {pairs}")
    print(f"first paint over hello-world: {statistics.median(ratios[1:]):.2f} ({spread})", flush=True)


def attach(steps: int) -> None:
    """Print how soon a run is shown, and what reading it costs."""
    with watching(steps) as app:
        while not app.terminal.text.strip():
            app.watch(0.002)
        painted = time.perf_counter()
        app.shown_after(newest(steps))
        shown_s, cpu_s = time.perf_counter() - painted, app.cpu_s()
        app.watch(3.0)
        memory, size = rss_mib(app.terminal.pid), app.run.events.stat().st_size / 2**20
        print(f"{steps:>9,} steps, {size:>3.0f} MiB: shown {shown_s:5.2f} s after the first frame", end="")
        print(f" ({painted - app.began:.2f} s), {cpu_s:.2f} s of CPU, {memory:.0f} MiB of memory", end="")
        print(f"; read alone {cpu_of(read, app.run):.2f} s of CPU", end="")
        print(f"; in the list {cpu_of(RunSummary.of, app.run):.3f} s", flush=True)


def read(run: RunDir) -> None:
    """Take the whole run in, as the app does, drawing nothing."""
    link, state = RunLink(run), RunState()
    while batch := link.poll():
        state.take(batch)


def cpu_of(work: Callable[[RunDir], object], run: RunDir) -> float:
    """Seconds of processor time."""
    began = time.process_time()
    work(run)
    return time.process_time() - began


def keys(steps: int, presses: int) -> None:
    """Print how long frames take to follow a key that redraws the chart."""
    pauses = random.Random(3)
    with watching(steps) as app:
        app.shown_after("held out" if steps else "loss")
        reading: list[float] = []
        while newest(steps) not in app.terminal.text:
            reading.append(press(app))
            app.watch(pauses.uniform(0.02, 0.1))
        if reading:
            print(f"{steps:>9,} steps, while they are read: {latencies(reading)}", flush=True)
        for pace in LOAD_STEPS_PER_S:
            app.run_at(pace)
            app.watch(1.0)
            waits = []
            for _ in range(presses):
                waits.append(press(app))
                app.watch(pauses.uniform(0.05, 0.3))
            print(f"{steps:>9,} steps, going on at {pace:>3} a second: {latencies(waits)}", flush=True)


def press(app: Watched) -> float:
    """Seconds from the key for the other scale to the frame that names it."""
    sign = "log scale ─"
    was = sign in app.terminal.text
    app.terminal.press("l")
    began = time.perf_counter()
    while (sign in app.terminal.text) == was:
        app.watch(0.001)
        assert time.perf_counter() - began < 30, app.terminal.text
    return time.perf_counter() - began


def latencies(waits_s: list[float]) -> str:
    """How long frames take to follow a key."""
    return f"key to frame {percentiles(waits_s)}, worst {1000 * max(waits_s):.0f} ms of {len(waits_s)} keys"


def percentiles(waits_s: list[float]) -> str:
    """In milliseconds."""
    ordered = sorted(1000 * wait for wait in waits_s)
    p50, p95 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95))
    return f"p50 {p50:.0f} ms, p95 {p95:.0f} ms"


def replies(kinds: list[str], presses: int) -> None:
    """Print how long letters in the prompt take to be seen, before a reply and while one is written."""
    for kind in kinds:
        for begun in BEGUN_TOKENS:
            for who in ("tuned", "both"):
                print(f"{kind:>9}, after {begun:>6,} tokens, {who:>5}: {typed(kind, begun, who, presses)}", flush=True)


def typed(kind: str, begun: int, who: str, presses: int) -> str:
    """How letters are seen while such a reply goes on, and what the app takes meanwhile."""
    pauses, sign = random.Random(3), "Q"
    with tempfile.TemporaryDirectory() as home:
        environment = dict(os.environ) | {"COCKPIT_HOME": f"{home}/cockpit", "XDG_CONFIG_HOME": f"{home}/config"}
        os.environ["COCKPIT_HOME"] = environment["COCKPIT_HOME"]
        seconds = 20 + presses * 1.5
        text = text_of(kind, begun + round(REPLY_TOKENS_PER_S * seconds))
        engine = Replying(runs_folder(), text, begun=begun, tokens_per_s=REPLY_TOKENS_PER_S)
        with Terminal([sys.executable, "-m", "cockpit", "attach", engine.run.id], env=environment) as terminal:
            app = Watched(terminal, engine.run, 30, 30, engine)
            app.shown_after("loss")
            app.watch(3.0)
            terminal.press("c")
            app.shown_after("enter sends")
            app.watch(1.0)
            if who == "both":
                terminal.press("f3")
                app.watch(0.5)
            terminal.press("ctrl+u", "Go.", "enter")
            app.shown_after("replying")
            while engine.written < begun:
                app.watch(0.02)
            app.watch(2.0 + begun / 5000)
            waits, net, cpu, began = [], [], app.cpu_s(), time.perf_counter()
            for _ in range(presses):
                queued = queued_s(terminal.pid) + queued_s(os.getpid())
                waits.append(letter(app, sign))
                net.append(waits[-1] - (queued_s(terminal.pid) + queued_s(os.getpid()) - queued))
                app.watch(pauses.uniform(0.05, 0.3))
            assert not engine.is_over, "the reply has ended before the last key"
            share = 100 * (app.cpu_s() - cpu) / (time.perf_counter() - began)
        engine.close()
    return f"{latencies(waits)}; without waits for a core {percentiles(net)}; {share:.0f} % of a core"


def queued_s(pid: int) -> float:
    """Seconds for which a process was ready to run, but had no processor."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def letter(app: Watched, sign: str) -> float:
    """Seconds from a key until the prompt field shows the letter, or shows it no more."""
    was, seen = sign in app.terminal.text, len(app.terminal.received)
    app.terminal.press("\x7f" if was else sign)
    began = time.perf_counter()
    while len(app.terminal.received) == seen or (sign in app.terminal.text) == was:
        seen = len(app.terminal.received)
        app.watch(0.001)
        assert time.perf_counter() - began < 30, app.terminal.text
    return time.perf_counter() - began


def rates(steps: int, seconds: float) -> None:
    """Print what the app takes and sends while it looks at the run."""
    with watching(steps) as app:
        app.shown_after(newest(steps))
        app.watch(5.0)
        for pace in LOAD_STEPS_PER_S:
            app.run_at(pace)
            app.watch(2.0)
            cpu, sent, began = app.cpu_s(), len(app.terminal.received), time.perf_counter()
            app.watch(seconds)
            took = time.perf_counter() - began
            share, kb = 100 * (app.cpu_s() - cpu) / took, (len(app.terminal.received) - sent) / took / 1000
            print(
                f"{steps:>9,} steps, going on at {pace:>3} a second: {share:4.1f} % of a core, {kb:5.2f} kB/s to the "
                f"terminal, {rss_mib(app.terminal.pid):.0f} MiB",
                flush=True,
            )


def main() -> None:
    """Print the figures of the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "lag", []])
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--keys", type=int, default=60)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    asked = parser.parse_args()
    for part in asked.parts or PARTS:
        print(f"{part}:  (load {os.getloadavg()[0]:.1f})", flush=True)
        if part == "paint":
            paint(asked.pairs)
        elif part == "lag":
            print_lags()
        elif part == "replies":
            replies(asked.kinds, asked.keys)
        else:
            for steps in asked.steps:
                if part == "attach":
                    attach(steps)
                elif part == "keys":
                    keys(steps, asked.keys)
                else:
                    rates(steps, asked.seconds)


if __name__ == "__main__":
    main()
