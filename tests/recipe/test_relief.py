"""What a run is launched again with that has run out of memory: less at once, and the same effective batch."""

from pathlib import Path
from typing import Any

import pytest

from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.relief import reliefs
from cockpit.recipe.resume_policy import refused_changes
from tests.engine import tiny

BATCHES = "training.per_device_train_batch_size={} training.gradient_accumulation_steps={}"


def recipe(**changes: Any) -> Recipe:
    text = tiny.recipe_text(Path("/m"), Path("/x.jsonl"), backend="transformers", **changes)
    return RecipeDocument.parse(text, "x").recipe()


def with_settings(before: Recipe, settings: tuple[str, ...], **changes: Any) -> Recipe:
    document = RecipeDocument.parse(
        tiny.recipe_text(Path("/m"), Path("/x.jsonl"), backend="transformers", **changes), "x"
    )
    for setting in settings:
        document.set_from_text(setting)
    return document.recipe()


CASES: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"training__per_device_train_batch_size": 8, "training__gradient_accumulation_steps": 1},
        [
            BATCHES.format(4, 2),
            "training.gradient_checkpointing=non_reentrant",
            "training.gradient_checkpointing=non_reentrant " + BATCHES.format(1, 8),
        ],
    ),
    (
        {"training__per_device_train_batch_size": 6, "training__gradient_checkpointing": "reentrant",
         "model__max_seq_length": 1024},
        [BATCHES.format(3, 4), BATCHES.format(1, 12), "training.max_length=512"],
    ),
    (
        {"training__per_device_train_batch_size": 1, "training__gradient_checkpointing": "reentrant"},
        [],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "settings"), CASES)
def test_the_gentlest_comes_first(changes: dict[str, Any], settings: list[str]) -> None:
    found = reliefs(recipe(**changes))
    assert [" ".join(one.settings) for one in found] == settings
    assert all(one.why for one in found)


@pytest.mark.parametrize("changes", [case for case, _ in CASES])
@pytest.mark.parametrize("long_rows", [None, "truncate", "drop"])
def test_a_run_may_go_on_with_what_is_said_to_resume_it(changes: dict[str, Any], long_rows: str | None) -> None:
    more = {**changes, **({"data__long_rows": long_rows} if long_rows else {})}
    before = recipe(**more)
    for one in reliefs(before):
        after = with_settings(before, one.settings, **more)
        product = [
            each.training.per_device_train_batch_size * each.training.gradient_accumulation_steps
            for each in (before, after)
        ]
        assert product[0] == product[1]
        assert (refused_changes(before, after, "--set") == []) is one.resumes


def test_another_effective_batch_is_refused_with_what_would_be_right() -> None:
    after = recipe(training__per_device_train_batch_size=1)
    (problem,) = refused_changes(recipe(), after, "--set")
    assert problem.field == "training.per_device_train_batch_size"
    assert problem.right == "keep their product, 4, or start a new run for that"
