"""What a frame of the live screen's charts costs, at 200x50: none may grow with the length of the run.

usage: python -m tests.bench.charts [--steps N ...] [--frames F]
Prints milliseconds (the median of F frames, and the worst) to draw loss and learning rate: at first, after each further
step, after each zoom and pan, and after each move of the cursor. N: 1,000, 100,000 and 1,000,000.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable

from cockpit.protocol import events as ev
from cockpit.recipe.learning_rates import PlannedRates
from cockpit.recipe.training import Training
from cockpit.runs.state import RunState
from cockpit.ui.widgets.loss_chart import LossChart
from cockpit.ui.widgets.run_schedule import RunSchedule
from cockpit.ui.widgets.step_window import StepWindow

STEPS = (1_000, 100_000, 1_000_000)
LOSS_CELLS, RATE_CELLS = (150, 22), (150, 14)
"""Width and height at 200x50."""
EVALUATED_EVERY = 500


class Charts:
    """Both charts of a run of so many steps, of twice as many planned."""

    def __init__(self, steps: int) -> None:
        self.window, self.state, self.noise = StepWindow(), RunState(), random.Random(3)
        self.loss, self.rate = LossChart(self.window), RunSchedule(self.window)
        self.rate.set_plan(PlannedRates(Training(lr_scheduler_type="cosine", warmup_steps=100), 2 * steps))
        for first in range(1, steps + 1, 10_000):
            self.state.take([self._step(step) for step in range(first, min(first + 10_000, steps + 1))])
        for step in range(EVALUATED_EVERY, steps + 1, EVALUATED_EVERY):
            self.state.apply(ev.Evaluated(step=step, duration_s=1.0, metrics={"eval_loss": 1.4}))

    def _step(self, step: int) -> ev.StepEnded:
        loss = 1.3 + self.noise.gauss(0, 0.15) + 2000 / (step + 1000) + 100 * (self.noise.random() < 1e-5)
        metrics = {"loss": loss, "learning_rate": 1e-4, "grad_norm": 1.0}
        return ev.StepEnded(step=step, total_steps=0, epoch=0, step_time_s=1, at=float(step), metrics=metrics)

    def grow(self) -> None:
        """Another step ends."""
        self.state.apply(self._step(self.state.step + 1))

    def draw(self) -> None:
        """Both, as a frame does."""
        self.loss.set_course(self.state.steps, self.state.held_out)
        self.rate.set_used(self.state.steps)
        self.loss.draw(*LOSS_CELLS)
        self.rate.draw(*RATE_CELLS)


def frames(charts: Charts, count: int, before: Callable[[], None]) -> str:
    """The time of frames, each after something has happened."""
    took = []
    for _ in range(count):
        before()
        began = time.process_time()
        charts.draw()
        took.append(1000 * (time.process_time() - began))
    return f"{statistics.median(took):5.1f} ({max(took):5.1f})"


def main() -> None:
    """A line for each length of run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--frames", type=int, default=40)
    asked = parser.parse_args()
    for steps in asked.steps:
        print(f"{steps:>9,} steps: {line(Charts(steps), asked.frames)} ms", flush=True)


def line(charts: Charts, count: int) -> str:
    """The figures of one run."""
    window = charts.window
    found = [f"first {frames(charts, 1, lambda: None)}", f"next step {frames(charts, count, charts.grow)}"]
    zooms, pans = iter([0.5, 2.0, 0.5, 0.5, 4.0] * count), iter([-0.25, -0.25, 0.25] * count)
    found.append(f"zoom {frames(charts, count, lambda: window.zoom(next(zooms)))}")
    window.show_all()
    window.zoom(0.25)
    found.append(f"pan {frames(charts, count, lambda: window.pan(next(pans)))}")
    window.read(True)
    found.append(f"cursor {frames(charts, count, lambda: window.move_cursor(-7))}")
    return ", ".join(found)


if __name__ == "__main__":
    main()
