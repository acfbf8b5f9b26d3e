"""Planner: what a recipe would do here."""

import json
from pathlib import Path
from typing import Any

from cockpit.data.inputs import Inputs
from cockpit.machine.gpu import GpuReport
from cockpit.preflight.plan import Planner
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from cockpit.runs.state import RunState
from cockpit.ui.widgets.recipe_card import card_of_recipe
from cockpit.ui.widgets.run_panel import facts_of as run_facts_of
from cockpit.ui.widgets.schedule_preview import facts_of, summary_of
from tests.engine import tiny
from tests.ui.engines import TWO_GPUS, write_data, write_recipe


def recipe(path: Path, **settings: str) -> Recipe:
    document = RecipeDocument.load(path)
    for setting in settings.values():
        document.set_from_text(setting)
    return document.recipe()


def test_rows_steps_and_rates_follow_from_the_file(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "mine", data=str(write_data(tmp_path, rows=90)))
    plan = Planner().plan(recipe(path, a="training.max_steps=null"), None, "mine")
    assert (plan.data.rows, plan.train_rows, plan.total_steps, plan.effective_batch) == (90, 80, 10, 8)
    assert len(plan.rates) == 10
    assert plan.problems == ()


def test_a_schedule_that_the_rows_leave_no_room_for_is_a_problem(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "mine", data=str(write_data(tmp_path, rows=90)))
    settings = {
        "a": "training.max_steps=null",
        "b": "training.lr_scheduler_type=warmup_stable_decay",
        "c": "training.lr_scheduler_kwargs.num_decay_steps=6",
        "d": "training.warmup_steps=5",
    }
    without_room = recipe(path, **settings)
    plan = Planner().plan(without_room, TWO_GPUS, "mine")
    assert ("training.lr_scheduler_type", "warm-up and decay take 11 steps, and the run has 10") in [
        (problem.field, problem.wrong) for problem in plan.problems
    ]
    assert plan.rates == []


def test_how_far_the_rate_is_known_is_told(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "mine", data=str(write_data(tmp_path, rows=90)))
    settings = {
        "a": "training.lr_scheduler_type=reduce_lr_on_plateau",
        "b": "training.lr_scheduler_kwargs.patience=2",
        "c": "training.eval_steps=5",
        "d": "training.warmup_steps=0",
    }
    plateau = recipe(path, **settings)
    plan = Planner().plan(plateau, None, "mine")
    assert dict(facts_of(plateau, plan))["rate"].plain == "known to step 15, then as evaluations go"
    linear = recipe(path)
    assert "rate" not in dict(facts_of(linear, Planner().plan(linear, None, "mine")))


def test_fixed_steps_are_told_in_epochs_of_the_data_that_is_there(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "mine", data=str(write_data(tmp_path, rows=90)))
    often = recipe(path, a="training.max_steps=260")
    plan = Planner().plan(often, None, "mine")
    assert plan.epochs == 26
    assert dict(facts_of(often, plan))["steps"].plain == "260  in 26 epochs"
    assert summary_of(often, plan).startswith("260 steps of 8 rows · 26 epochs · ")
    packed = Planner().plan(recipe(path, a="training.max_steps=260", b="training.packing=true"), None, "mine")
    assert packed.epochs is None


def test_held_out_rows_are_those_that_the_engine_holds_out(tmp_path: Path) -> None:
    data = str(write_data(tmp_path, rows=91))
    path = write_recipe(tmp_path, "mine", data=data, **{"eval_rows: 10": "eval_rows: 100"})
    small = recipe(path)
    plan = Planner().plan(small, None, "mine")
    assert (plan.train_rows, plan.held_out) == (73, 18)
    assert dict(facts_of(small, plan))["train"].plain == "73 rows, 18 held out"
    assert dict(card_of_recipe(small, plan).facts)["data"].endswith("91 rows, 18 held out")
    assert dict(card_of_recipe(small, None).facts)["data"].endswith(", at most 100 held out")


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "mine", data=str(write_data(tmp_path, rows=20)))
    planner = Planner()
    assert planner.data_of(Inputs.of(recipe(path))).rows == 20
    write_data(tmp_path, rows=30)
    assert planner.data_of(Inputs.of(recipe(path))).rows == 30


def test_a_form_that_is_not_known_is_said(tmp_path: Path) -> None:
    (tmp_path / "odd.jsonl").write_text('{"left": 1, "right": 2}\n')
    found = Planner().data_of(Inputs.of(recipe(write_recipe(tmp_path, "mine", data=str(tmp_path / "odd.jsonl")))))
    assert found.is_problem
    assert "left" in found.said


def test_a_hub_name_is_left_to_the_run(tmp_path: Path) -> None:
    found = Planner().data_of(Inputs.of(recipe(write_recipe(tmp_path, "mine", data="owner/name"))))
    assert (found.said, found.rows, found.is_problem) == ("", None, False)


def test_what_stands_in_the_way_is_part_of_the_plan(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "mine", data=str(tmp_path / "none.jsonl"))
    plan = Planner().plan(recipe(path), GpuReport(), "mine")
    assert any(problem.field.startswith("data.sources") for problem in plan.problems)


def test_the_card_of_recipe_a_recipe_for_a_gpu_warns_where_there_is_none(tmp_path: Path) -> None:
    data = str(write_data(tmp_path))
    for needs, report, warns in (
        ("8 GiB", GpuReport(), True),
        ("CPU", GpuReport(), False),
        ("8 GiB", TWO_GPUS, False),
        ("8 GiB", None, False),
    ):
        changes = {"needs: CPU": f"needs: {needs}"}
        one = recipe(write_recipe(tmp_path, "mine", data=data, **changes), a="hardware.gpu=auto")
        card = card_of_recipe(one, Planner().plan(one, report, "mine"))
        assert dict(card.facts)["needs"].endswith("; no GPU here: hours") is warns
        assert ("of VRAM" in dict(card.facts)["needs"]) is (needs == "8 GiB")


def test_a_plan_too_long_to_draw_has_no_rates(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "mine", data=str(write_data(tmp_path)))
    plan = Planner().plan(recipe(path, a="training.max_steps=10000000"), None, "mine")
    assert plan.total_steps == 10_000_000
    assert not plan.rates


def test_full_training_is_told_to_have_no_adapter(tmp_path: Path) -> None:
    one = recipe(write_recipe(tmp_path, "mine", data=str(write_data(tmp_path))), a="finetuning_type=full")
    assert dict(card_of_recipe(one, None).facts)["adapter"] == "none: every weight is trained"
    assert "LoRA" not in dict(card_of_recipe(one, None).facts)
    assert dict(run_facts_of(one, RunState()))["adapter"] == "none: every weight is trained"


def test_of_grpo_a_step_is_told_in_completions_and_the_steps_are_those_of_its_prompts(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"sum {at}"}) + "\n" for at in range(101)))
    path = tmp_path / "mine.yaml"
    changes: dict[str, Any] = {
        "method": "grpo",
        "data__eval_rows": 1,
        "grpo__rewards": [{"length": 4}],
        "grpo__max_completion_length": 64,
        "training__max_steps": None,
        "training__per_device_train_batch_size": 8,
        "training__gradient_accumulation_steps": 4,
    }
    path.write_text(tiny.recipe_text(tmp_path, tmp_path / "prompts.jsonl", **changes))
    drawn = recipe(path)
    plan = Planner().plan(drawn, None, "mine")
    assert (plan.train_rows, plan.total_steps, len(plan.rates)) == (100, 25, 25)
    assert dict(facts_of(drawn, plan))["a step"].plain == "32 completions of 4 prompts (8 × 4)"
    assert summary_of(drawn, plan).startswith("25 steps of 32 completions · ")
    assert dict(run_facts_of(drawn, RunState()))["batch"] == "8 completions, 4 times a step"
    assert dict(card_of_recipe(drawn, plan).facts)["train"].startswith("8 × 4 completions a step, ")
    for decay, told in ((15, []), (16, ["warm-up and decay take 26 steps, and the run has 25"])):
        settings = {
            "a": "training.lr_scheduler_type=warmup_stable_decay",
            "b": f"training.lr_scheduler_kwargs.num_decay_steps={decay}",
            "c": "training.warmup_steps=10",
        }
        problems = Planner().plan(recipe(path, **settings), TWO_GPUS, "mine").problems
        assert [one.wrong for one in problems if one.field == "training.lr_scheduler_type"] == told
