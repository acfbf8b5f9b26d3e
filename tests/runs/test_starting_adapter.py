"""The adapter that a recipe goes on with: found by folder or run, its values taken over, what differs named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from cockpit.preflight.adapter import of_adapter
from cockpit.preflight.plan import Planner
from cockpit.recipe.document import RecipeDocument, resolved_yaml
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir
from cockpit.runs.starting_adapter import StartingAdapter, with_starting_adapter
from cockpit.ui.widgets.schedule_preview import facts_of
from tests.recipe.sample import SAMPLE
from tests.runs.saved_adapter import make_adapter


def make_run(name: str, **settings: Any) -> RunDir:
    run = RunDir.create(runs_folder() / name)
    run.recipe.write_text(resolved_yaml(recipe(**settings)))
    make_adapter(run.adapter)
    return run


def recipe(text: str = SAMPLE, **settings: Any) -> Recipe:
    document = RecipeDocument.parse(text, "sample")
    for field, value in settings.items():
        document.set(field.replace("__", "."), value)
    return document.recipe()


def bare(**settings: Any) -> Recipe:
    """A recipe that says nothing of lora."""
    before, _, rest = SAMPLE.partition("# The adapter.")
    return recipe(before + rest[rest.index("data:") :], model__name_or_path="maker/base", **settings)


def wrong(asked: Recipe) -> list[str]:
    return [f"{one.field}: {one.wrong}; {one.right}" for one in of_adapter(asked)]


def test_what_an_adapter_from_elsewhere_has_is_taken_over(tmp_path: Path) -> None:
    folder = make_adapter(tmp_path / "elsewhere")
    asked = bare(model__adapter=str(folder))
    assert wrong(asked) == []
    taken = with_starting_adapter(asked)
    assert (taken.lora.r, taken.lora.lora_alpha, taken.lora.target_modules) == (8, 32, ["q_proj", "v_proj"])
    assert (taken.lora.lora_dropout, taken.model.adapter) == (0.0, str(folder))
    again = RecipeDocument.parse(resolved_yaml(taken), "recipe.yaml").recipe()
    assert again == taken
    assert wrong(again) == []
    plan = Planner().plan(asked, None, "mine")
    assert dict(facts_of(asked, plan))["lora"].plain == "goes on: r 8, lora_alpha 32, on q_proj, v_proj"


def test_what_the_recipe_says_otherwise_is_named(tmp_path: Path) -> None:
    folder = make_adapter(tmp_path / "elsewhere", revision="v1")
    asked = bare(
        model__adapter=str(folder),
        model__add_tokens=["<call>"],
        lora__r=32,
        lora__target_modules=["q_proj"],
        lora__lora_dropout=0.2,
    )
    assert wrong(asked) == [
        "lora.r: it is 32, and the adapter of model.adapter has 8; leave it out, or give the same",
        "lora.target_modules: it is q_proj, and the adapter of model.adapter has q_proj, v_proj; leave it out, or give "
        "the same",
        "model.add_tokens: an adapter that is there gets no new tokens; leave it empty, or merge it and tune the "
        "merged model",
        "model.revision: the adapter was trained on v1; give that",
    ]
    other = make_adapter(tmp_path / "other", base_model_name_or_path="maker/other")
    assert wrong(bare(model__adapter=str(other))) == [
        "model.name_or_path: the adapter was trained on maker/other; give maker/other, or the folder of that model"
    ]


def test_a_run_is_gone_on_with_as_its_own_recipe_says(tmp_path: Path) -> None:
    """Its layers stood there as all-linear, and its adapter names them one by one."""
    run = make_run("first", lora__target_modules="all-linear", lora__r=8, lora__lora_alpha=32)
    (run.checkpoints / "checkpoint-20").mkdir(parents=True)
    asked = recipe(lora__target_modules="all-linear", lora__r=8, model__adapter="first")
    assert wrong(asked) == []
    assert with_starting_adapter(asked).model.adapter == str(run.adapter)
    assert StartingAdapter.named(str(run.adapter)).run == StartingAdapter.named(str(run.path)).run == run
    rank = recipe(lora__target_modules="all-linear", model__adapter="first")
    assert wrong(rank) == ["lora.r: it is 16, and the adapter of model.adapter has 8; leave it out, or give the same"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"peft_type": "IA3"}, "it is of PEFT's kind 'IA3', and only LoRA adapters can go on"),
        (
            {"init_lora_weights": "pissa_niter_4"},
            "it was started with init_lora_weights pissa_niter_4, which has changed its base's weights",
        ),
        ({"r": 4096}, "its r is one that no recipe can have (Input should be less than or equal to 1024)"),
    ],
)
def test_an_adapter_that_cannot_go_on_is_told(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    folder = make_adapter(tmp_path / "elsewhere", **changes)
    (told,) = of_adapter(bare(model__adapter=str(folder)))
    assert (told.field, told.wrong) == ("model.adapter", said)


def test_an_adapter_of_a_run_that_was_started_with_loftq_is_told(tmp_path: Path) -> None:
    make_run("rounded", lora__r=8, lora__lora_alpha=32, lora__loftq_config={"loftq_bits": 4})
    assert wrong(bare(model__adapter="rounded")) == [
        "model.adapter: it was started with init_lora_weights loftq, which has changed its base's weights; "
        "resume its run instead"
    ]


def test_a_place_without_an_adapter_is_told(tmp_path: Path) -> None:
    run = make_run("whole")
    for name, said in {
        str(tmp_path): "this folder holds no adapter: it has no adapter_config.json",
        "whole@7": "this run has no checkpoint after step 7; it has none",
        "nothing": "'nothing' is neither a folder here nor a run: No run is called 'nothing'; 'cockpit runs' lists all "
        "1, and 'last' is the newest",
    }.items():
        (told,) = of_adapter(bare(model__adapter=name))
        assert told.wrong == said
    (run.adapter / "adapter_model.safetensors").write_bytes(b"12")
    (told,) = of_adapter(bare(model__adapter="whole"))
    assert told.wrong == "its adapter_model.safetensors is truncated"
    (run.adapter / "adapter_config.json").unlink()
    (run.model).mkdir()
    (run.model / "config.json").write_text("{}")
    (told,) = of_adapter(bare(model__adapter="whole"))
    assert told.wrong.startswith("this run has trained every weight")


def test_the_command_names_the_field_and_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run("first")
    file = tmp_path / "mine.yaml"
    file.write_text(SAMPLE.replace("r: 16", "r: 4").replace("  quantization: none", "  adapter: first"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cockpit, ["train", "mine.yaml"])
    assert done.exit_code == 2
    assert done.stderr == (
        "mine.yaml:24: lora.r: it is 4, and the adapter of model.adapter has 16; leave it out, or give the same\n"
    )


def test_cockpit_data_names_an_adapter_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(SAMPLE.replace("  quantization: none", "  adapter: nowhere"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cockpit, ["data", "mine.yaml"])
    assert done.exit_code == 2
    assert done.stderr.startswith("mine.yaml:18: model.adapter: 'nowhere' is neither a folder here nor a run")
