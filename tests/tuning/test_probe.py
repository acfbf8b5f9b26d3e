"""A probe of an engine that says what it is told to: which steps count, and how it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from cockpit.launch.engines import EngineKey
from cockpit.protocol.events import AnyEvent, Evaluated, GpuReading, MachineRead, PhaseStarted, RunEnded, StepEnded
from cockpit.recipe.recipe import Recipe
from cockpit.tuning import probe as probing
from cockpit.tuning.probe import MEASURED, WARM_UP, Probe, Prober, probed
from tests.tuning.cards import recipe

KEY = EngineKey("unsloth", "GPU-0")
STANDBY = PhaseStarted(phase="standby")
BEGIN: list[AnyEvent] = [STANDBY, PhaseStarted(phase="loading_model"), PhaseStarted(phase="compiling")]


class Engine:
    """Its events come one with each poll."""

    def __init__(self, key: EngineKey, events: list[AnyEvent], *, ends: bool = False) -> None:
        self.key, self._events, self._ends = key, iter(events), ends
        self.link = SimpleNamespace(poll=self._poll, run=SimpleNamespace(engine_log=None))
        self.process = SimpleNamespace(poll=self._status)
        self.trained: list[str] = []
        self.is_discarded = self._is_over = False

    def _poll(self) -> list[AnyEvent]:
        event = next(self._events, None)
        self._is_over = event is None
        return [] if event is None else [event]

    def _status(self) -> int | None:
        return 1 if self._ends and self._is_over else None

    def train(self, text: str, name: str, command: list[str]) -> None:
        self.trained.append(text)

    def discard(self) -> None:
        assert not self.is_discarded
        self.is_discarded = True


def steps(count: int, seconds: float = 0.5, first: int = 1) -> Iterator[StepEnded]:
    for step in range(first, first + count):
        metrics = {"loss": 2.0, "tokens_seen": 100.0 * step}
        yield StepEnded(step=step, total_steps=199, epoch=0.1, step_time_s=seconds, metrics=metrics)


def measure(
    monkeypatch: pytest.MonkeyPatch, *engines: list[AnyEvent], ahead: bool = False, until: float = 60.0, **more: Any
) -> tuple[Probe, list[Engine]]:
    """What the first engine's probe finds; the others are started as they are asked for."""
    made: list[Engine] = []

    def start(key: EngineKey) -> Engine:
        made.append(Engine(key, engines[len(made)], ends=more.get("ends", False)))
        return made[-1]

    monkeypatch.setattr(probing, "start_probe", start)
    monkeypatch.setattr(probing, "POLL_S", 0.0)
    prober = Prober(ahead=ahead, used_mib=1000.0)
    behind = more.get("behind", lambda _: False)
    found = prober.probe(recipe(), KEY, time.monotonic() + until, behind, lambda *_: None)
    prober.close()
    assert all(engine.is_discarded for engine in made), "no engine is left"
    return found, made


def test_the_first_steps_do_not_count_nor_does_one_that_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[AnyEvent] = [*BEGIN, *steps(WARM_UP, 30.0), *steps(3, 0.5, 4), *steps(1, 20.0, 7), *steps(9, 0.5, 8)]
    found, _ = measure(monkeypatch, events)
    assert (found.outcome, found.counted, len(found.seconds)) == ("measured", MEASURED, WARM_UP + MEASURED)
    assert found.tokens_s == pytest.approx(100 / 0.5)
    assert found.tokens == [100] * (WARM_UP + MEASURED)


def test_the_next_engine_imports_meanwhile_and_nothing_counts_until_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    idle: list[AnyEvent] = [PhaseStarted(phase="importing")]
    slow: list[AnyEvent] = [*BEGIN, *steps(10, 9.0), *steps(MEASURED, 0.5, 11)]
    found, made = measure(monkeypatch, slow, [*idle * 8, STANDBY], ahead=True)
    assert len(made) == 2 and made[1].key == KEY and made[1].trained == []
    assert found.counted_from > WARM_UP and found.counted == MEASURED


def test_a_run_whose_steps_are_over_before_that_was_measured_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    over: list[AnyEvent] = [*BEGIN, *steps(20), RunEnded(outcome="completed", step=20)]
    importing: list[AnyEvent] = [PhaseStarted(phase="importing")]
    found, _ = measure(monkeypatch, over, importing * 99, ahead=True)
    assert (found.outcome, found.counted) == ("measured", 20 - WARM_UP)


@pytest.mark.parametrize(
    ("events", "more", "outcome", "reason"),
    [
        ([*BEGIN, RunEnded(outcome="out_of_memory", step=0, reason="Memory ran out.")], {}, "out_of_memory",
         "Memory ran out."),
        ([*BEGIN, RunEnded(outcome="failed", step=0, reason="No such file.")], {}, "failed", "No such file."),
        (BEGIN, {"until": -1.0}, "late", "There was no time left while it was waiting."),
        ([*BEGIN, *steps(9)], {"behind": lambda found: found.counted >= 3}, "behind", ""),
    ],
    ids=["out of memory", "failed", "late", "behind"],
)  # fmt: skip
def test_how_it_ends(
    events: list[AnyEvent], more: dict[str, Any], outcome: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = measure(monkeypatch, events, **more)
    assert (found.outcome, found.reason) == (outcome, reason)


def test_an_engine_that_has_gone_says_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    words = SimpleNamespace(poll=lambda: [SimpleNamespace(text="Segmentation fault")])
    monkeypatch.setattr(probing, "EngineOutput", lambda _path: words)
    found, _ = measure(monkeypatch, BEGIN, ends=True)
    assert (found.outcome, found.reason) == ("failed", "The engine has gone: Segmentation fault")


@pytest.mark.parametrize(("own", "expected"), [(900.0, 900.0), (None, 2000.0)], ids=["told", "not told"])
def test_what_it_takes_is_less_what_others_hold(
    own: float | None, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = GpuReading(index=0, uuid="GPU-0", name="a card", vram_used_mib=3000.0, vram_this_run_mib=own)
    read = MachineRead(step=1, gpus=[gpu], cpu_percent=1.0, rss_mib=1.0, ram_used_mib=1.0, ram_total_mib=1.0)
    found, _ = measure(monkeypatch, [*BEGIN, read, *steps(WARM_UP + MEASURED)])
    assert (found.gpu, found.peak_mib) == ("a card", expected)


def test_a_probe_takes_steps_and_nothing_else() -> None:
    asked = recipe(
        "data.eval_rows=10", "training.eval_steps=2", "training.load_best_model_at_end=true", "output.save_steps=2",
        "training.lr_scheduler_type=reduce_lr_on_plateau", "training.learning_rate=1e-2", "evaluation.rows=4",
        "output.report_to=[tensorboard]", "output.row_losses=true", "watchdogs.loss_diverging=pause",
    )  # fmt: skip
    found = probed(asked)
    Recipe.model_validate(found.model_dump(by_alias=True))
    assert not found.data.holds_out and found.training.eval_steps is None and found.output.save_steps is None
    assert found.evaluation.rows == 0 and found.watchdogs.loss_diverging == "warn"
    assert found.output.report_to == [] and not found.output.row_losses
    assert found.training.lr_scheduler_type == "linear"
    assert found.training.per_device_train_batch_size == asked.training.per_device_train_batch_size


def test_what_was_measured_before_any_training_is_no_loss_of_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Evaluated(step=0, metrics={"eval_loss": 9.0})
    found, _ = measure(monkeypatch, [*BEGIN, before, *steps(5)], behind=lambda probe: len(probe.losses) == 5)
    assert (found.outcome, found.eval_loss) == ("behind", None)
    after = Evaluated(step=5, metrics={"eval_loss": 2.0})
    found, _ = measure(monkeypatch, [*BEGIN, before, *steps(5), after, RunEnded(outcome="completed", step=5)])
    assert (found.outcome, found.eval_loss) == ("measured", 2.0)
