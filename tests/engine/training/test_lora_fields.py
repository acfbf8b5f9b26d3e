"""Every LoRA field and every way of checkpointing reaches PEFT: read back from what the run has saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cockpit.protocol.events import LogWritten, RunEnded, StepEnded, TrainingPlanned
from tests.engine.conftest import HostedRun

Hosted = Callable[..., HostedRun]
ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
FEED_FORWARD = {"gate_proj", "up_proj", "down_proj"}


@pytest.mark.parametrize(
    ("changes", "saved"),
    [
        ({"r": 3, "lora_alpha": 7.0}, {"r": 3, "lora_alpha": 7.0, "bias": "none", "lora_dropout": 0.0}),
        ({"lora_dropout": 0.25, "bias": "all"}, {"lora_dropout": 0.25, "bias": "all"}),
        ({"use_rslora": True, "use_dora": True}, {"use_rslora": True, "use_dora": True}),
        ({"modules_to_save": ["norm"]}, {"modules_to_save": ["norm"]}),
        ({"target_modules": ["q_proj", "v_proj"]}, {"target_modules": {"q_proj", "v_proj"}}),
        ({"target_modules": "all-linear"}, {"target_modules": ATTENTION | FEED_FORWARD}),
        ({"finetune_mlp_modules": False}, {"target_modules": ATTENTION}),
        (
            {"finetune_attention_modules": False, "target_modules": "all-linear"},
            {"target_modules": FEED_FORWARD},
        ),
    ],
)
def test_lora_fields_reach_peft(hosted: Hosted, changes: dict[str, Any], saved: dict[str, Any]) -> None:
    run = hosted(
        training__max_steps=1, data__eval_rows=0, **{f"lora__{name}": value for name, value in changes.items()}
    )
    run.until_phase("ready")
    config = json.loads((run.run.adapter / "adapter_config.json").read_text())
    config["target_modules"] = {name.rpartition(".")[2] for name in config["target_modules"]}
    assert {name: config[name] for name in saved} == saved
    assert config["base_model_name_or_path"].endswith("/model")


def test_checkpointing_changes_no_figure(hosted: Hosted) -> None:
    figures = []
    for mode in ("none", "reentrant", "non_reentrant"):
        run = hosted(training__max_steps=2, data__eval_rows=0, training__gradient_checkpointing=mode)
        run.until_phase("ready")
        figures.append([step.figures[name] for step in run.all(StepEnded) for name in ("loss", "grad_norm")])
    assert figures[1] == pytest.approx(figures[0], rel=1e-5)
    assert figures[2] == pytest.approx(figures[0], rel=1e-5)
    assert min(figures[0]) > 0.1


def test_nf4_trains_on_the_cpu_and_counts_its_parameters(hosted: Hosted) -> None:
    run = hosted(training__max_steps=6, data__eval_rows=0, model__quantization="nf4")
    run.until_phase("ready")
    (plan,) = run.all(TrainingPlanned)
    assert (plan.trainable_parameters, plan.total_parameters) == (16_384, 111_872)
    losses = [step.figures["loss"] for step in run.all(StepEnded)]
    assert losses[-1] < losses[0]


def test_a_layer_to_train_whole_that_is_not_there_fails_the_run(hosted: Hosted) -> None:
    run = hosted(lora__modules_to_save=["lm_haed"])
    run.until_exited()
    (ended,) = run.all(RunEnded)
    assert ended.reason == "No layer of this model is called lm_haed, which lora.modules_to_save names."


def test_a_layer_that_gets_no_adapter_as_it_is_not_there_is_told(hosted: Hosted) -> None:
    run = hosted(training__max_steps=1, data__eval_rows=0, lora__target_modules=["q_proj", "v_porj"])
    run.until_phase("ready")
    said = "lora.target_modules: no layer of this model is called v_porj; only the others get an adapter."
    assert said in [event.text for event in run.all(LogWritten)]


def test_switches_that_leave_no_layer_fail_the_run(hosted: Hosted) -> None:
    run = hosted(lora__finetune_attention_modules=False, lora__target_modules=["q_proj"])
    run.until_exited()
    (ended,) = run.all(RunEnded)
    assert ended.reason == "The layer switches leave no layer for the adapter."
