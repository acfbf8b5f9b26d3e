"""Made-up runs that go well, of all sorts: short and long, noisy and smooth, with every schedule; and what rules say"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from cockpit.engine.training.watchdog_rules import AFTER_EVALUATION, AFTER_READING, AFTER_STEP, Course, stalled


@dataclass
class MadeUpRun:
    """A run by its figures, each step of which may be changed before it is taken."""

    steps: int
    rates: list[float]
    losses: list[float]
    norms: list[float]
    tokens: list[float]
    seconds: list[float]
    evaluations: dict[int, float] = field(default_factory=dict)
    vram: float = 0.8
    disk_free: int = 200 << 30
    checkpoint_bytes: int = 200 << 20
    trained_share: float = 0.4
    planned: list[float] | None = None
    """Learning rates; None for those that were taken."""


def healthy_run(draw: random.Random, steps: int | None = None) -> MadeUpRun:
    """One of its own kind each time."""
    steps = steps or int(math.exp(draw.uniform(math.log(15), math.log(3000))))
    warmup = int(steps * draw.choice((0.0, 0.0, 0.03, 0.1, 0.3)))
    schedule = draw.choice(("linear", "cosine", "constant"))
    rates = [_rate(step, warmup, steps, schedule) for step in range(steps)]
    floor, fall = draw.choice((0.02, 0.4, 1.2, 2.0)), draw.uniform(0.3, 4.0)
    lasts, noise = steps * draw.uniform(0.03, 0.6), draw.uniform(0.02, 0.4)
    epoch, drop = max(5, steps // draw.randint(1, 6)), draw.uniform(0.8, 1.0)
    wave, period = draw.choice((0.0, 0.0, 0.1, 0.2)), draw.randint(8, 50)
    heavy = draw.random() < 0.3
    smooth: list[float] = []
    losses, norms, tokens, seconds = list(smooth), list(smooth), list(smooth), list(smooth)
    norm, norm_noise, length_noise = draw.uniform(0.1, 5.0), draw.uniform(0.1, 0.5), draw.uniform(0.02, 0.4)
    pace = draw.uniform(0.01, 3.0)
    for step in range(steps):
        done = max(0.0, step - warmup / 2) / lasts
        level = (floor + fall * math.exp(-done)) * drop ** (step // epoch)
        grouped = 1 + wave * (2 * (step % period) / period - 1)
        smooth.append(level)
        losses.append(max(1e-4, level * grouped * (1 + noise * _bell(draw, heavy=heavy))))
        early = 1 + 4 * math.exp(-step / max(3.0, steps / 30))
        norms.append(norm * early * math.exp(norm_noise * draw.gauss(0, 1)) * (4 if draw.random() < 0.01 else 1))
        length = math.exp(length_noise * draw.gauss(0, 1))
        tokens.append(round(1000 * length))
        hiccup = 3 if draw.random() < 0.01 else 1
        seconds.append(pace * (0.2 + 0.8 * length) * abs(draw.gauss(1, 0.05)) * hiccup * (30 if not step else 1))
    every = max(1, steps // draw.randint(2, 20))
    own = draw.uniform(0.0, 0.02)
    held = {step: smooth[step - 1] * 1.05 * (1 + own * draw.gauss(0, 1)) for step in range(every, steps + 1, every)}
    return MadeUpRun(steps, rates, losses, norms, tokens, seconds, held, vram=draw.uniform(0.3, 0.94))


def findings(run: MadeUpRun) -> Iterator[tuple[int, str, str]]:
    """What the rules find: after which step, which one, and in which words."""
    course, seen, trained = Course(), 0.0, 0.0
    for step in range(1, run.steps + 1):
        at = step - 1
        seen += run.tokens[at]
        trained += run.tokens[at] * run.trained_share
        figures = {
            "loss": run.losses[at], "grad_norm": run.norms[at], "learning_rate": run.rates[at],
            "tokens_seen": seen, "trained_tokens": trained,
        }  # fmt: skip
        if found := stalled(run.seconds[at], course.step_times, course.first_step_s):
            yield step, "stalled", found
        planned = (run.planned or run.rates)[at]
        course.add_step(step, figures, run.seconds[at], planned)
        yield from ((step, name, found) for name, rule in AFTER_STEP.items() if (found := rule(course)))
        if step in run.evaluations:
            course.add_evaluation(step, run.evaluations[step])
            yield from ((step, name, found) for name, rule in AFTER_EVALUATION.items() if (found := rule(course)))
        if step % 10 == 0:
            course.add_vram("GPU 0", run.vram)
            course.disk_free, course.checkpoint_bytes = run.disk_free, run.checkpoint_bytes
            yield from ((step, name, found) for name, rule in AFTER_READING.items() if (found := rule(course)))


def _rate(step: int, warmup: int, steps: int, schedule: str) -> float:
    if step < warmup:
        return 2e-4 * step / warmup
    left = (steps - step) / max(1, steps - warmup)
    return 2e-4 * {"linear": left, "cosine": 0.5 - 0.5 * math.cos(math.pi * left), "constant": 1.0}[schedule]


def _bell(draw: random.Random, *, heavy: bool) -> float:
    """Normal, or with the tails of Student's t of 4 degrees."""
    normal = draw.gauss(0, 1)
    return normal / math.sqrt(draw.gammavariate(2.0, 0.5)) if heavy else normal
