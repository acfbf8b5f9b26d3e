"""Which learning rate is tried, which is taken: with engines of which only the losses are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from cockpit.launch.engines import EngineKey
from cockpit.recipe.recipe import Recipe
from cockpit.tuning import rates
from cockpit.tuning.probe import Probe
from cockpit.tuning.rates import STEPS, RateEnded, RateProber, RatesEnded, RatesStarted, RateTold, at_rate, chosen
from cockpit.tuning.usual_rate import usual_rate
from tests.tuning.cards import card
from tests.tuning.cards import recipe as of_card

Loss = Callable[[float], float]


def recipe(*settings: str) -> Recipe:
    """With a model whose size is known without a network."""
    return of_card("model.name_or_path=unsloth/Meta-Llama-3.1-8B-Instruct", *settings)


def probed(monkeypatch: pytest.MonkeyPatch, loss: Loss, *settings: str, budget_s: float = 1000.0) -> list[RateTold]:
    """All that is told where a rate leads to that held-out loss: NaN where it diverges."""

    class Prober:
        def __init__(self, **_: Any) -> None: ...

        def probe(
            self, recipe: Recipe, _key: EngineKey, _until: float, is_behind: Any, heard: Any, *, whole: bool
        ) -> Probe:
            assert whole and recipe.training.max_steps == STEPS
            at_end = loss(recipe.training.learning_rate)
            probe = Probe()
            for step in range(STEPS):
                is_off = math.isnan(at_end) and step > STEPS // 2
                probe.seconds.append(0.1)
                probe.losses.append(math.nan if is_off else 3.0 + (0.0 if is_off else (at_end - 3.0)) * step / STEPS)
                heard("training", probe)
                if is_behind(probe):
                    probe.outcome = "behind"
                    return probe
            probe.eval_loss = at_end
            return probe

        def close(self) -> None: ...

    monkeypatch.setattr(rates, "Prober", Prober)
    told: list[RateTold] = []
    RateProber(recipe(*settings), "mine", card(80), budget_s, told.append).run()
    return told


def bowl(lowest: float) -> Loss:
    """A loss that is lowest at a rate, and grows with the distance from it."""
    return lambda rate: 1.0 + 0.2 * abs(math.log2(rate / lowest))


def test_the_usual_rate_falls_with_the_width_of_the_model_and_by_method() -> None:
    assert usual_rate(recipe()) == 2.9e-4, "Llama-3 8B, 4096 wide"
    assert usual_rate(recipe("model.name_or_path=unsloth/Llama-3.2-1B-Instruct")) == 4.9e-4
    assert usual_rate(recipe("model.name_or_path=somebody/of-unknown-size")) == 2e-4
    assert usual_rate(recipe("finetuning_type=full", "model.quantization=none")) == 2.9e-5


@pytest.mark.parametrize("lowest", [2e-5, 3e-4, 2.5e-3])
def test_it_goes_on_to_where_both_sides_are_worse(monkeypatch: pytest.MonkeyPatch, lowest: float) -> None:
    told = probed(monkeypatch, bowl(lowest))
    started, ended = told[0], told[-1]
    assert isinstance(started, RatesStarted) and isinstance(ended, RatesEnded)
    probes = [one for one in told if isinstance(one, RateEnded)]
    assert [one.rate for one in probes[:2]] == [started.written, started.usual]
    assert ended.rate is not None and abs(math.log2(ended.rate / lowest)) <= 0.5
    assert len({one.rate for one in probes}) == len(probes) <= rates.MOST_PROBES


def test_rates_that_diverge_are_left_early_and_lower_ones_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    told = probed(monkeypatch, lambda rate: math.nan if rate > 1e-4 else 1.0 + 1e-5 / rate)
    probes = [one for one in told if isinstance(one, RateEnded)]
    assert [one.outcome for one in probes[:2]] == ["diverged", "diverged"]
    assert all(len(one.losses) < STEPS for one in probes if one.outcome == "diverged")
    ended = told[-1]
    assert isinstance(ended, RatesEnded) and ended.rate is not None and ended.rate <= 1e-4


def test_where_none_can_be_measured_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = probed(monkeypatch, lambda rate: math.nan)[-1]
    assert isinstance(ended, RatesEnded) and ended.rate is None


def test_the_time_that_is_given_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told = probed(monkeypatch, bowl(1e-6), budget_s=0.0)
    assert sum(isinstance(one, RateEnded) for one in told) == 1, "one is measured in any case"


def test_of_equal_losses_the_usual_rate_is_taken() -> None:
    assert chosen({1e-4: 1.0, 2e-4: 1.001, 4e-4: 1.5}, usual=3e-4) == 2e-4
    assert chosen({1e-4: 1.0, 2e-4: 1.02}, usual=3e-4) == 1e-4
    assert chosen({}, usual=3e-4) is None


def test_a_probe_measures_held_out_rows_and_nothing_else() -> None:
    one = at_rate(recipe("data.eval_share=0.5", "training.num_train_epochs=3"), 1e-3)
    assert (one.data.eval_rows, one.data.eval_share) == (rates.HELD_OUT, None)
    assert (one.training.max_steps, one.training.eval_steps, one.training.learning_rate) == (STEPS, STEPS, 1e-3)
    assert one.training.lr_scheduler_type == "constant_with_warmup" and one.output.save_steps is None
