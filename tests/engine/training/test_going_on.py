"""model.adapter: an adapter that is there goes on being trained, on other rows, from where it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from cockpit.protocol.events import Evaluated, LogWritten, TrainingPlanned
from tests.engine import tiny
from tests.engine.conftest import HostedRun
from tests.engine.training.resuming import figures, stopped, until_second_end, whole

Hosted = Callable[..., HostedRun]
FIRST: dict[str, Any] = {"lora__r": 4, "lora__target_modules": ["q_proj", "v_proj"], "output__save_steps": 2}
AGAIN: dict[str, Any] = {"training__max_steps": 10, "lora__lora_dropout": 0.2}


@pytest.fixture
def other_rows(tmp_path: Path) -> Path:
    return tiny.write_rows(
        tmp_path / "other.jsonl", [{"messages": tiny.pair(f"two {n}", "blue yes")} for n in range(30)]
    )


def going_on(model: Path, adapter: str | Path, **more: Any) -> dict[str, Any]:
    """Changes to the tiny recipe."""
    named = {"name_or_path": str(model), "max_seq_length": 128, "dtype": "float32", "adapter": str(adapter)}
    return {**AGAIN, **{f"model__{name}": value for name, value in named.items()}, **more}


def eval_losses(run: HostedRun) -> list[float]:
    return [event.figures["eval_loss"] for event in run.all(Evaluated)]


def said(run: HostedRun, beginning: str) -> list[str]:
    return [event.text for event in run.all(LogWritten) if event.text.startswith(beginning)]


def reason(run: HostedRun) -> str:
    run.until_ended()
    assert run.state.ended is not None
    return run.state.ended.reason


@pytest.mark.parametrize("step", ["", "@2"], ids=["a run", "a checkpoint of it"])
def test_it_begins_where_the_adapter_was(hosted: Hosted, model: Path, step: str) -> None:
    first = whole(hosted, {**FIRST, "training__eval_steps": 2})
    run = whole(hosted, going_on(model, f"{first.run.id}{step}"))
    assert eval_losses(run)[0] == eval_losses(first)[1 if step else -1]
    assert eval_losses(run)[-1] < eval_losses(run)[0]
    (told,) = said(run, "Going on with")
    assert told == f"Going on with the adapter {first.run.id}{step}: r 4, lora_alpha 16, on q_proj, v_proj."
    planned = run.all(TrainingPlanned)[0].trainable_parameters
    assert planned == first.all(TrainingPlanned)[0].trainable_parameters
    config = json.loads((run.run.adapter / "adapter_config.json").read_text())
    assert (config["r"], config["lora_dropout"], sorted(config["target_modules"])) == (4, 0.2, ["q_proj", "v_proj"])


def test_new_rows_teach_it_something_else_and_a_resume_is_exact_without_the_folder(
    hosted: Hosted, model: Path, other_rows: Path, tmp_path: Path
) -> None:
    """The folder of an adapter from elsewhere, which is gone when the run is resumed."""
    first = whole(hosted, {**FIRST, "model__add_tokens": ["<call>"], **model_at(model)})
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(first.run.adapter, elsewhere)
    wanted = going_on(model, elsewhere, data=other_rows)
    undisturbed = whole(hosted, wanted)
    assert "<call>" in said(undisturbed, "1 new token")[0]
    assert len(load_file(undisturbed.run.adapter / "adapter_model.safetensors")) == len(
        load_file(elsewhere / "adapter_model.safetensors")
    )
    stopped_run = stopped(hosted, 4, **wanted)
    shutil.rmtree(elsewhere)
    again = hosted(resumed=stopped_run.run, **wanted)
    until_second_end(again)
    assert figures(again) == figures(undisturbed)


def model_at(model: Path) -> dict[str, Any]:
    return {"model__name_or_path": str(model), "model__max_seq_length": 128, "model__dtype": "float32"}


def test_another_base_is_refused_by_its_weights(hosted: Hosted, model: Path, tmp_path: Path) -> None:
    first = whole(hosted, FIRST)
    other = tmp_path / "other"
    shutil.copytree(model, other)
    weights = load_file(other / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    run = hosted(**going_on(other, first.run.id))
    assert reason(run) == (f"The adapter {first.run.id} was trained on another base than {other}: the weights differ.")
    moved = tmp_path / "moved"
    shutil.copytree(model, moved)
    assert reason(hosted(**going_on(moved, first.run.id))) == "", "the same weights in another place"


def test_a_damaged_adapter_or_none_is_refused(hosted: Hosted, model: Path) -> None:
    first = whole(hosted, FIRST)
    weights = first.run.adapter / "adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)
    assert "cannot be trusted" in reason(hosted(**going_on(model, first.run.id)))
    assert "neither a folder here nor a run" in reason(hosted(**going_on(model, "nowhere")))
