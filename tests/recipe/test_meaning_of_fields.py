"""What an empty field comes to, and which fields change nothing: said of the right ones, and truly."""

import inspect
from typing import Any

import pytest

from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.fields import form_fields
from cockpit.recipe.moot import RULES, moot_fields
from cockpit.recipe.number import number_text
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.unset import when_unset
from tests.recipe.sample import SAMPLE

SETTINGS = "training.lr_scheduler_kwargs"


def recipe(**changes: Any) -> Recipe:
    document = RecipeDocument.parse(SAMPLE, "sample")
    for name, value in changes.items():
        document.set(name.replace("__", "."), value)
    return document.recipe()


def test_every_field_that_may_be_empty_says_what_it_comes_to() -> None:
    may_be_empty = [field for field in form_fields(2) if field.optional or field.default in ([], {}, "")]
    assert len(may_be_empty) > 70
    assert [field.path for field in may_be_empty if not when_unset(field.path, recipe())] == []


def test_what_an_empty_field_comes_to_follows_the_others() -> None:
    assert when_unset("training.max_length", recipe(model__max_seq_length=384)) == "384"
    assert when_unset("data.overlap", recipe(training__max_length=128)) == "16"
    assert when_unset("output.save_total_limit", recipe(output__save_steps=10)) == "all"
    assert when_unset("output.save_total_limit", recipe(output__save_steps=None)) == "3"
    assert when_unset("output.save_steps", recipe(output__save_steps=None)) == "200"
    assert (
        when_unset("output.save_steps", recipe(output__save_steps=None, finetuning_type="full")) == "at the end alone"
    )
    assert when_unset("training.greater_is_better", recipe(training__metric_for_best_model="eval_accuracy")) == "on"


@pytest.mark.parametrize("kind", ["reduce_lr_on_plateau", "greedy"])
def test_settings_that_are_empty_have_the_defaults_of_the_stack(kind: str) -> None:
    from torch.optim.lr_scheduler import ReduceLROnPlateau
    from transformers.optimization import GreedyLR

    asked = recipe().model_copy(update={"training": recipe().training.model_copy(update={"lr_scheduler_type": kind})})
    defaults = inspect.signature(GreedyLR if kind == "greedy" else ReduceLROnPlateau).parameters
    fields = [field for field in form_fields() if kind in field.schedulers]
    assert len(fields) >= 7
    for field in fields:
        default = defaults[field.path.rpartition(".")[2]].default
        text = {True: "on", False: "off"}[default] if isinstance(default, bool) else default
        assert when_unset(field.path, asked) == (text if isinstance(text, str) else number_text(text)), field.path


def test_the_fields_of_each_rule_are_in_the_form() -> None:
    paths = {field.path for field in form_fields()}
    assert [path for rule in RULES for path in rule.fields if path not in paths] == []


@pytest.mark.parametrize(
    ("changes", "moot", "not_moot"),
    [
        ({"training__max_steps": 9}, "training.num_train_epochs", "training.max_steps"),
        ({"training__max_steps": None}, "", "training.num_train_epochs"),
        ({"finetuning_type": "full"}, "lora.lora_dropout", "training.optim"),
        ({"model__adapter": "my-run"}, "lora.r", "lora.lora_dropout"),
        ({"data__eval_rows": 0, "training__eval_steps": None}, "watchdogs.overfitting", "data.eval_share"),
        ({"data__eval_rows": 0, "data__eval_share": 0.1}, "data.eval_rows", "watchdogs.overfitting"),
        ({"training__packing": True}, "training.group_by_length", ""),
        ({"samples__prompts": ["Hi"]}, "samples.temperature", "samples.max_new_tokens"),
        ({"evaluation__rows": 4}, "", "evaluation.function"),
        ({}, "evaluation.every_steps", "evaluation.rows"),
        ({"training__lr_scheduler_type": "constant", "training__warmup_steps": 0}, "training.warmup_steps", ""),
    ],
)
def test_what_changes_nothing_is_named_with_why(changes: dict[str, Any], moot: str, not_moot: str) -> None:
    found = moot_fields(recipe(**changes))
    assert not moot or found[moot]
    assert not_moot not in found
