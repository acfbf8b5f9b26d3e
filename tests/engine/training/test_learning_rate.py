"""The schedule of the learning rate in real runs: as planned, and exact over a resume, also into another kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cockpit.protocol.events import Evaluated, LogWritten, StepEnded
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.learning_rates import learning_rates
from tests.engine.conftest import HostedRun
from tests.engine.training.measured import best_after, measure
from tests.engine.training.resuming import figures, stopped, until_second_end, whole

Hosted = Callable[..., HostedRun]
STEPS = 10
BARE = {"training__max_steps": STEPS, "data__eval_rows": 0}
PLATEAU: dict[str, Any] = {
    "training__max_steps": STEPS,
    "training__lr_scheduler_type": "reduce_lr_on_plateau",
    "training__lr_scheduler_kwargs": {"factor": 0.5, "patience": 1, "min_lr": 0.002},
    "training__eval_steps": 1,
    "data__eval_rows": 4,
}
FALLS = [0.01] * 6 + [0.005] * 2 + [0.0025] * 2
"""Of PLATEAU where the evaluation after step 4 is the best: those after 5 and 6 are the first that are no better."""


def rates(run: HostedRun) -> list[float]:
    """The learning rate of each step as it counts in the end."""
    return [metrics["learning_rate"] for _, metrics in figures(run)]


def planned(run: HostedRun) -> list[float]:
    """Those that the app draws before the run."""
    return learning_rates(RecipeDocument.load(run.run.recipe).recipe().training, STEPS)


WSD: dict[str, Any] = {
    "lr_scheduler_type": "warmup_stable_decay",
    "lr_scheduler_kwargs": {"num_decay_steps": 4, "decay_type": "1-sqrt", "min_lr_ratio": 0.1},
    "warmup_ratio": 0.25,
}


@pytest.mark.parametrize(
    "training",
    [
        WSD,
        {
            "lr_scheduler_type": "cosine_warmup_with_min_lr",
            "lr_scheduler_kwargs": {"min_lr": 1e-3, "warmup_lr_rate": 0.2},
            "warmup_steps": 3,
        },
    ],
    ids=["warmup_stable_decay", "cosine_warmup_with_min_lr"],
)
def test_a_run_takes_the_planned_rates_also_where_it_was_resumed(hosted: Hosted, training: dict[str, Any]) -> None:
    changes = {**BARE, **{f"training__{name}": value for name, value in training.items()}}
    first = stopped(hosted, 4, **changes)
    again = hosted(resumed=first.run, **changes)
    until_second_end(again)
    assert rates(again) == pytest.approx(planned(again), rel=1e-12)
    assert len(rates(again)) == STEPS


def test_a_plateau_lowers_the_rate_and_it_is_told(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    measure(monkeypatch, best_after(4))
    run = whole(hosted, PLATEAU)
    assert rates(run) == FALLS
    assert planned(run) == FALLS[:2]
    told = [event.text for event in run.all(LogWritten) if "learning rate is" in event.text]
    assert told == [
        "The learning rate is lowered from 0.01 to 0.005: eval_loss got no better.",
        "The learning rate is lowered from 0.005 to 0.0025: eval_loss got no better.",
    ]


def test_a_plateau_is_gone_on_with_where_it_was(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The evaluation after the last step was left out by the stop, and is made up for."""
    measure(monkeypatch, best_after(4))
    undisturbed = whole(hosted, PLATEAU)
    first = stopped(hosted, 6, **PLATEAU)
    again = hosted(resumed=first.run, **PLATEAU)
    until_second_end(again)
    assert figures(again) == figures(undisturbed)
    assert [event.step for event in again.all(Evaluated)] == list(range(STEPS + 1))


def test_a_resume_may_change_the_kind_of_schedule_as_if_it_had_always_been_so(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """linear, then a plateau, which looks at the evaluations made until then, then cosine."""
    measure(monkeypatch, best_after(4))
    linear = {**PLATEAU, "training__lr_scheduler_type": "linear", "training__lr_scheduler_kwargs": None}
    run = hosted(**linear, output__save_steps=7)
    run.until_ended()
    run.close()
    plateau = hosted(resumed=run.run, from_step=7, **{**PLATEAU, "training__learning_rate": 0.02}, output__save_steps=1)
    until_second_end(plateau)
    assert rates(plateau)[7:] == [2 * rate for rate in FALLS[7:]]
    plateau.close()
    cosine = hosted(resumed=run.run, from_step=9, **{**linear, "training__lr_scheduler_type": "cosine"})
    cosine.until(lambda: cosine.state.ended is not None and cosine.state.ended.attempt == 3)
    last = [event.figures["learning_rate"] for event in cosine.all(StepEnded) if event.attempt == 3]
    assert last == pytest.approx(planned(cosine)[9:], rel=1e-12)


def test_a_plateau_without_rows_to_measure_fails_with_a_sentence(hosted: Hosted) -> None:
    """A fifth of the rows are held out at most; of four that is none."""
    run = hosted(**{**PLATEAU, "data__sources": [{"name_or_path": "embedded:pirate", "max_rows": 4}]})
    run.until_ended()
    assert run.state.ended is not None
    assert run.state.ended.reason == (
        "reduce_lr_on_plateau follows the evaluations, and there are no held-out rows to measure."
    )


def test_a_schedule_without_room_fails_before_the_first_step(hosted: Hosted) -> None:
    short = {"training__max_steps": None, "training__num_train_epochs": 0.1}
    run = hosted(**{**BARE, **short, "training__lr_scheduler_type": "polynomial", "training__warmup_ratio": 0.9})
    run.until_ended()
    assert run.state.ended is not None
    assert (run.state.ended.reason, run.state.ended.advice) == (
        "The learning rate's schedule does not fit: the warm-up takes 1 of 1 steps, and polynomial would have none "
        "left to fall in.",
        "Give fewer steps of warm-up or decay, or train for longer.",
    )
    assert not run.all(StepEnded)


def test_noise_on_the_embeddings_changes_training_alone(hosted: Hosted) -> None:
    """NEFTune: other losses in training, the same rows measured the same before the first step; a resume is exact."""
    quiet = whole(hosted, {"training__max_steps": 1})
    noisy_changes: dict[str, Any] = {"training__max_steps": 12, "training__neftune_noise_alpha": 10.0}
    noisy = whole(hosted, noisy_changes)
    assert noisy.all(Evaluated)[0].metrics == quiet.all(Evaluated)[0].metrics
    assert figures(noisy)[0][1]["loss"] != figures(quiet)[0][1]["loss"]
    first = stopped(hosted, 3, **noisy_changes)
    again = hosted(resumed=first.run, **noisy_changes)
    until_second_end(again)
    assert figures(again) == figures(noisy)
