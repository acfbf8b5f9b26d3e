"""ETA and tokens/s on an artificial clock, against independent counts, with pauses, a resume and what lies between."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from cockpit.protocol import events as ev
from cockpit.runs.pace import to_come
from cockpit.runs.state import RunState
from cockpit.runs.steps import PACE_STEPS

EVALUATION_S, SAVE_S, SAMPLE_S, REST_S, COMPILE_S = 7.0, 3.0, 2.0, 0.02, 60.0
TOTAL, EVAL_STEPS, SAVE_STEPS, SAMPLE_STEPS = 200, 10, 25, 20


@dataclass
class Clockwork:
    """A run of TOTAL steps whose every second is known."""

    is_old: bool = False
    state: RunState = field(default_factory=RunState)
    now: float = 1000.0
    attempt: int = 1
    step: int = 0
    tokens: int = 0
    noise: random.Random = field(default_factory=lambda: random.Random(3))
    pieces: list[tuple[float, int]] = field(default_factory=list)
    """Seconds and tokens of each step of this attempt."""

    def say(self, event: ev.AnyEvent) -> None:
        self.state.apply(msgspec.structs.replace(event, at=self.now, attempt=self.attempt))

    def begin(self, after: int = 0) -> None:
        """An attempt, up to its first step, which compiles."""
        self.step, self.pieces = after, []
        self.say(ev.EngineStarted(pid=1, host="h", backend="transformers"))
        started: dict[str, Any] = {"run_id": "r", "recipe_name": "r", "command": [], "versions": {}, "gpus": []}
        self.say(ev.RunStarted(driver="", data_sha256={}, **started))
        counts: dict[str, Any] = {"train_rows": 9, "eval_rows": 4, "skipped_rows": 0, "truncated_rows": 0, "tokens": 9}
        self.say(ev.DataPrepared(trained_tokens=9, **counts))
        if after:
            self.say(ev.TrainingResumed(step=after, path="checkpoints/x"))
        self.say(planned(is_old=self.is_old))
        if not after:
            self.spend("evaluating", EVALUATION_S)
            self.spend("sampling", SAMPLE_S)
        self.say(ev.PhaseStarted(phase="compiling"))

    def spend(self, phase: ev.Phase, seconds: float) -> None:
        """Time in another phase."""
        self.say(ev.PhaseStarted(phase=phase))
        self.now += seconds
        if phase == "evaluating":
            self.say(ev.Evaluated(step=self.step, duration_s=seconds, metrics={"eval_loss": 1.0}))

    def pause(self, seconds: float) -> None:
        self.spend("paused", seconds)
        self.say(ev.PhaseStarted(phase="training"))

    def take_step(self) -> None:
        took = abs(self.noise.gauss(1.0, 0.1)) + (COMPILE_S if not self.pieces else 0.0)
        tokens = self.noise.randrange(400, 600)
        self.now += REST_S + took
        self.step, self.tokens = self.step + 1, self.tokens + tokens
        self.pieces.append((took, tokens))
        metrics: dict[str, float | None] = {"loss": 1.0, "tokens_seen": float(self.tokens)}
        self.say(ev.StepEnded(step=self.step, total_steps=TOTAL, epoch=0.1, step_time_s=took, metrics=metrics))
        is_last = self.step == TOTAL
        saves = self.step % SAVE_STEPS == 0 or is_last
        if self.step % EVAL_STEPS == 0 or is_last:
            self.spend("evaluating", EVALUATION_S)
        if saves:
            self.spend("saving", SAVE_S)
        if saves or self.step % SAMPLE_STEPS == 0:
            self.spend("sampling", SAMPLE_S)
        self.say(ev.PhaseStarted(phase="training"))

    def until(self, step: int) -> None:
        while self.step < step:
            self.take_step()

    def left_s(self) -> float:
        """How long it really still takes: a copy of this clock runs on, and saves the result at the end."""
        rest = copy.deepcopy(self)
        rest.until(TOTAL)
        return rest.now + SAVE_S - self.now

    def tokens_per_s(self) -> float:
        """Of the last steps, the first one of the attempt left out."""
        recent = self.pieces[1:][-PACE_STEPS:]
        return sum(tokens for _, tokens in recent) / sum(took for took, _ in recent)

    def estimate(self) -> tuple[float, float]:
        eta = self.state.eta()
        assert eta is not None
        return eta


def planned(*, is_old: bool = False, **changes: Any) -> ev.TrainingPlanned:
    """`is_old`: by an engine that does not tell what comes between steps."""
    fields: dict[str, Any] = {"steps_per_epoch": 9, "trainable_parameters": 1, "total_parameters": 1}
    fields |= {"total_steps": TOTAL}
    if not is_old:
        fields |= {"recipe_steps": TOTAL, "learning_rate": 0.1, "eval_steps": EVAL_STEPS, "save_steps": SAVE_STEPS}
        fields |= {"saves_last": True, "sample_steps": SAMPLE_STEPS, "samples": 2}
    return ev.TrainingPlanned(**(fields | changes))


@pytest.mark.parametrize("step", [30, 59, 60, 100, 125, 171, 190])
def test_what_is_estimated_is_what_it_takes(step: int) -> None:
    clock = Clockwork()
    clock.begin()
    clock.until(step)
    left, spread = clock.estimate()
    assert left == pytest.approx(clock.left_s(), rel=0.03)
    assert 0 < spread < 0.2 * left
    assert clock.state.tokens_per_s() == pytest.approx(clock.tokens_per_s(), rel=1e-9)


def test_a_pause_and_what_is_asked_for_by_hand_spoil_nothing() -> None:
    clock = Clockwork()
    clock.begin()
    clock.until(40)
    undisturbed = copy.deepcopy(clock)
    clock.pause(3600)
    clock.until(43)
    clock.spend("evaluating", EVALUATION_S)
    clock.spend("saving", SAVE_S)
    clock.pause(600)
    assert clock.estimate()[0] == pytest.approx(clock.left_s(), rel=0.03)
    clock.until(70)
    undisturbed.until(70)
    assert clock.estimate() == pytest.approx(undisturbed.estimate(), rel=1e-6)
    assert clock.state.tokens_per_s() == pytest.approx(clock.tokens_per_s(), rel=1e-9)
    assert clock.state.tokens_per_s() == pytest.approx(undisturbed.state.tokens_per_s(), rel=1e-9)


def test_a_run_that_waits_knows_how_long_it_would_take() -> None:
    clock = Clockwork()
    clock.begin()
    clock.until(40)
    clock.say(ev.PhaseStarted(phase="paused"))
    assert clock.state.is_paused
    assert clock.estimate()[0] == pytest.approx(clock.left_s(), rel=0.03)


def test_right_after_a_resume_the_pace_is_that_of_the_attempt_before() -> None:
    clock = Clockwork()
    clock.begin()
    clock.until(80)
    clock.pause(500)
    clock.until(90)
    clock.say(ev.RunEnded(outcome="stopped", step=90))
    assert clock.state.eta() is None
    clock.attempt, clock.now = 2, clock.now + 86_400
    clock.begin(after=75)
    assert clock.estimate()[0] == pytest.approx(clock.left_s() - COMPILE_S, rel=0.03)
    assert clock.state.tokens_per_s() is None
    clock.until(79)
    clock.pause(100)
    assert clock.estimate()[0] == pytest.approx(clock.left_s(), rel=0.1)
    assert clock.state.tokens_per_s() == pytest.approx(clock.tokens_per_s(), rel=1e-9)
    clock.until(120)
    assert clock.estimate()[0] == pytest.approx(clock.left_s(), rel=0.03)
    assert clock.state.tokens_per_s() == pytest.approx(clock.tokens_per_s(), rel=1e-9)


def test_of_an_older_log_what_came_between_steps_is_taken_as_a_mean() -> None:
    clock = Clockwork(is_old=True)
    clock.begin()
    clock.until(60)
    clock.pause(3600)
    clock.until(100)
    assert clock.estimate()[0] == pytest.approx(clock.left_s(), rel=0.05)


@pytest.mark.parametrize("total", [1, 7, 40, 41, 100, 101])
@pytest.mark.parametrize("saves", [None, 4, 10, 200])
@pytest.mark.parametrize("samples", [None, 6, 10])
def test_what_is_to_come_is_counted_step_by_step(total: int, saves: int | None, samples: int | None) -> None:
    fields: dict[str, Any] = {"total_steps": total, "save_steps": saves, "sample_steps": samples, "eval_steps": 9}
    plan, with_answers = planned(**fields), planned(**fields, answers=12, answer_steps=5)

    def is_due(step: int, every: int | None) -> bool:
        return every is not None and step % every == 0

    for done in range(total):
        steps = range(done + 1, total + 1)
        saved = [step for step in steps if is_due(step, saves) or step == total]
        sampled = [step for step in steps if step in saved or is_due(step, samples)]
        measured = [step for step in steps if is_due(step, 9) or step == total]
        counted = to_come(plan, done, evaluates=True)
        assert counted == {"saving": len(saved) + 1, "evaluating": len(measured), "sampling": len(sampled)}
        answered = [step for step in steps if is_due(step, 5) or step == total]
        assert to_come(with_answers, done, evaluates=True) == {**counted, "answering": len(answered)}
    assert to_come(plan, total, evaluates=True) == {}
