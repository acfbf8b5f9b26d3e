"""Each kind of training by the real trainer: what it learns from, its figures, and a resume equal to the bit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from cockpit.engine.beginning import recipe_of
from cockpit.engine.training.kto import STAND_IN
from cockpit.engine.training.preference import PAIR
from cockpit.machine.gpu import GpuReport
from cockpit.paths import resolve
from cockpit.preflight.checks import preflight
from cockpit.preflight.plan import Planner
from cockpit.protocol.events import DataPrepared, RunEnded, StepEnded, TrainingPlanned
from tests.engine import tiny
from tests.engine.conftest import HostedRun
from tests.engine.training.resuming import figures, stopped, until_second_end, whole

Hosted = Callable[..., HostedRun]
SHORT = {"training__max_steps": 6, "lora__lora_dropout": 0.1, "data__eval_rows": 4}


@pytest.fixture(scope="session")
def texts(folder: Path) -> Path:
    """Plain texts."""
    rows = [
        {"text": f"the name of the colour is {colour} on day {day}"} for day in range(6) for colour in ("red", "blue")
    ]
    return tiny.write_rows(folder / "texts.jsonl", rows)


def gone_on_with(hosted: Hosted, data: Path, changes: dict[str, Any], after: int = 3) -> tuple[HostedRun, HostedRun]:
    """An undisturbed run, and one that was stopped and resumed: their figures are the same to the bit."""
    changes = {**changes, "data": data}
    undisturbed = whole(hosted, changes)
    first = stopped(hosted, after, **changes)
    again = hosted(resumed=first.run, **changes)
    until_second_end(again)
    assert figures(again) == figures(undisturbed)
    return undisturbed, again


def test_pretraining_learns_texts_whole_and_embeddings_at_a_rate_of_their_own(hosted: Hosted, texts: Path) -> None:
    changes = {
        **SHORT,
        "method": "pretraining",
        "lora__modules_to_save": ["embed_tokens", "lm_head"],
        "lora__r": 2,
        "pretraining__embedding_learning_rate": 0.001,
    }
    run, _ = gone_on_with(hosted, texts, changes)
    (prepared,) = run.all(DataPrepared)
    assert prepared.trained_tokens == prepared.tokens - prepared.train_rows, "all but the first token of each"
    assert run.all(TrainingPlanned)[0].trainable_parameters > 330 * 64, "the embeddings too"
    assert [event.outcome for event in run.all(RunEnded)] == ["completed"]


EIGHT = {"training__per_device_train_batch_size": 8, "training__gradient_accumulation_steps": 1}
"""Rows of a batch, among which are some of either mark."""
COLOURS = ("red", "blue", "cat", "dog", "one", "two")


@pytest.fixture(scope="session")
def pairs(folder: Path) -> Path:
    """A short and a longer answer to a question."""
    rows = [
        {"prompt": f"what is the name of {colour} {day}", "chosen": f"arr {colour} matey", "rejected": "no name"}
        for day in range(6)
        for colour in COLOURS
    ]
    return tiny.write_rows(folder / "pairs.jsonl", rows)


@pytest.fixture(scope="session")
def marked(folder: Path, pairs: Path) -> Path:
    """The answers of the pairs, each with a mark."""
    rows = [json.loads(line) for line in pairs.read_text().splitlines()]
    return tiny.write_rows(
        folder / "marked.jsonl",
        [
            {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
            for row in rows
            for side in ("chosen", "rejected")
        ],
    )


def test_dpo_raises_the_margin_and_goes_on_to_the_bit(hosted: Hosted, pairs: Path) -> None:
    run, _ = gone_on_with(hosted, pairs, {**SHORT, "method": "dpo", "training__eval_steps": 3})
    steps = [figures for _, figures in figures(run)]
    assert steps[0]["rewards/margins"] == 0 < steps[-1]["rewards/margins"]
    assert steps[0]["loss"] == pytest.approx(0.6931, abs=1e-4), "log 2, as model and reference are the same"


def test_dpo_goes_on_with_an_adapter_and_compares_with_that(hosted: Hosted, pairs: Path) -> None:
    """The reference of a run that is resumed is the adapter that it began with, not that of its checkpoint."""
    first = whole(hosted, {**SHORT, "method": "dpo", "data": pairs})
    changes = {**SHORT, "method": "dpo", "model__adapter": str(first.run.adapter)}
    run, again = gone_on_with(hosted, pairs, changes)
    steps = [one for _, one in figures(run)]
    assert steps[0]["rewards/margins"] == 0, "compared with the adapter, not with the base"
    assert not (again.run.adapter / "ref").exists()


def test_dpo_of_all_weights_compares_with_a_copy(hosted: Hosted, pairs: Path) -> None:
    changes = {**SHORT, "method": "dpo", "finetuning_type": "full", "output__save_steps": 3}
    run, _ = gone_on_with(hosted, pairs, changes)
    steps = [one for _, one in figures(run)]
    assert steps[0]["rewards/margins"] == 0 < steps[-1]["rewards/margins"]


def test_orpo_makes_the_chosen_answers_likelier_than_the_others(hosted: Hosted, pairs: Path) -> None:
    run, _ = gone_on_with(hosted, pairs, {**SHORT, "method": "orpo", "training__eval_steps": 3})
    steps = [one for _, one in figures(run)]
    assert steps[-1]["log_odds_chosen"] > steps[0]["log_odds_chosen"]
    assert steps[-1]["nll_loss"] < steps[0]["nll_loss"]
    assert (
        run.state.evaluations[-1].figures["eval_rewards/margins"]
        > run.state.evaluations[0].figures["eval_rewards/margins"]
    )


@pytest.mark.parametrize("row", [PAIR, STAND_IN], ids=["pair", "marked"])
def test_rows_that_stand_in_for_tokens_give_no_cause_to_warn(row: dict[str, str]) -> None:
    """TRL warns where the tokens of a prompt are not the first of those of prompt and answer."""
    tokenizer = AutoTokenizer.from_pretrained(resolve("embedded:demo"))
    prompt, answer = row["prompt"], row.get("chosen") or row["completion"]
    tokens = tokenizer(prompt)["input_ids"]
    assert tokenizer(prompt + answer)["input_ids"][: len(tokens)] == tokens


@pytest.mark.parametrize("loss_type", ["kto", "apo_zero_unpaired"])
def test_kto_parts_desired_answers_from_others(hosted: Hosted, marked: Path, loss_type: str) -> None:
    run, _ = gone_on_with(hosted, marked, {**SHORT, "method": "kto", "kto__loss_type": loss_type, **EIGHT})
    steps = [one for _, one in figures(run)]
    assert steps[-1]["rewards/margins"] > 0 == steps[0]["rewards/margins"]
    (prepared,) = run.all(DataPrepared)
    assert prepared.train_rows + prepared.eval_rows == 2 * 36


def test_kto_takes_pairs_apart(hosted: Hosted, pairs: Path) -> None:
    """What is told before of steps and epochs is what the trainer takes."""
    run = whole(hosted, {**SHORT, "method": "kto", "data": pairs, **epochs(0.3)})
    (prepared,) = run.all(DataPrepared)
    assert (prepared.train_rows, prepared.eval_rows) == (2 * 32, 2 * 4)
    assert steps_told(run) == (5, 16), "of 64 answers, four a step, and not of 32 pairs"
    plan = Planner().plan(recipe_of(run.run), None, "x")
    assert (plan.train_rows, plan.total_steps) == (32, 5)


def epochs(number: float) -> dict[str, Any]:
    return {"training__max_steps": None, "training__num_train_epochs": number}


def steps_told(run: HostedRun) -> tuple[int, float]:
    """Steps that the trainer itself counts, those of an epoch; as many were taken."""
    (told,) = run.all(TrainingPlanned)
    assert [step for step, _ in figures(run)] == [*range(1, told.total_steps + 1)]
    return told.total_steps, told.steps_per_epoch


@pytest.fixture(scope="session")
def prompts(folder: Path) -> Path:
    """Questions with what a reward needs beside them."""
    rows = [{"prompt": f"what is the name of {colour}", "answer": str(at)} for at, colour in enumerate(COLOURS * 2)][
        :11
    ]
    return tiny.write_rows(folder / "prompts.jsonl", rows)


GRPO: dict[str, Any] = {
    "method": "grpo",
    "data__eval_rows": 2,
    **epochs(1),
    "training__per_device_train_batch_size": 4,
    "training__gradient_accumulation_steps": 2,
    "grpo__num_generations": 4,
    "grpo__max_completion_length": 8,
    "grpo__temperature": 1.5,
    "grpo__beta": 0.1,
    "grpo__rewards": [{"length": 4}, {"regex": "e", "weight": 0.5}, {"length": 2}],
}


def test_grpo_rewards_what_it_draws_and_goes_on_to_the_bit(hosted: Hosted, prompts: Path) -> None:
    """Time and memory of both halves are no figures of a step that could be the same twice."""
    undisturbed = whole(hosted, {**GRPO, "data": prompts})
    assert steps_told(undisturbed) == (4, 4), "two prompts a step: the ninth fills none"
    assert Planner().plan(recipe_of(undisturbed.run), None, "x").total_steps == 4
    first = stopped(hosted, 2, **GRPO, data=prompts)
    again = hosted(resumed=first.run, **GRPO, data=prompts)
    until_second_end(again)
    assert without_times(again) == without_times(undisturbed)
    steps = [one for _, one in figures(undisturbed)]
    assert all(step["generation_time_s"] > 0 and step["learning_time_s"] > 0 for step in steps)
    for event, step in zip(undisturbed.all(StepEnded), steps, strict=True):
        took = step["generation_time_s"] + step["learning_time_s"]
        assert event.forward_backward_s is not None and took >= event.forward_backward_s, "of all micro-steps"
    assert all(0 < step["completions/mean_length"] <= 8 for step in steps)
    assert steps[0]["reward"] == pytest.approx(
        steps[0]["rewards/length/mean"] + 0.5 * steps[0]["rewards/regex/mean"] + steps[0]["rewards/length_2/mean"]
    )
    assert undisturbed.state.evaluations[-1].figures["eval_reward"] is not None
    assert steps[-1]["trained_tokens"] > steps[0]["trained_tokens"] > 0


def without_times(run: HostedRun) -> list[tuple[int, dict[str, float]]]:
    return [(step, {name: one for name, one in all_.items() if "time_s" not in name}) for step, all_ in figures(run)]


def test_grpo_takes_several_steps_on_what_it_has_drawn(hosted: Hosted, prompts: Path) -> None:
    changes = {**GRPO, "data__sources": [{"name_or_path": str(prompts), "max_rows": 5}], "grpo__num_iterations": 2}
    run = whole(hosted, changes)
    assert steps_told(run) == (4, 4)
    assert run.state.evaluations[-1].figures["eval_reward"] is not None, "of one prompt, whose rewards have no spread"
    assert Planner().plan(recipe_of(run.run), None, "x").total_steps == 4


def test_grpo_with_fewer_prompts_than_a_step_takes_is_refused(hosted: Hosted, prompts: Path) -> None:
    changes = {**GRPO, "data__sources": [{"name_or_path": str(prompts), "max_rows": 1}]}
    run = hosted(**changes)
    run.until_ended()
    ended = run.state.ended
    assert ended is not None and (ended.outcome, ended.reason) == (
        "failed",
        "A step takes the completions of 2 prompts, and there is 1 to train on.",
    )
    (told,) = [one for one in preflight(recipe_of(run.run), GpuReport(), "x") if one.field.startswith("training.")]
    assert (told.field, told.wrong, told.right) == (
        "training.per_device_train_batch_size",
        "a step takes the completions of 2 prompts, and there is 1 to train on",
        "give a smaller batch, or more prompts",
    )
