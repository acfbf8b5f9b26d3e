"""Which ways to train a recipe are probed, and in which order."""

from __future__ import annotations

from cockpit.machine.gpu import GpuReport
from cockpit.preflight.experience import task_of
from cockpit.preflight.outlook import Forecaster, fitted_here
from cockpit.preflight.tuned import Lessons
from cockpit.recipe.recipe import Recipe
from cockpit.tuning.ways import Way, tried
from tests.tuning.cards import card, recipe

NO_GPU = GpuReport()


def ways(report: GpuReport, one: Recipe, best: Recipe | None = None) -> list[Way]:
    forecaster = Forecaster()
    joins = forecaster.joins(one, report)
    return list(tried(one, lambda way: forecaster.room(way, report), Lessons(), lambda: best or one, joins=joins))


def test_as_written_comes_first_and_then_what_fit_would_choose() -> None:
    one = recipe()
    written, fit, *_ = ways(card(139), one)
    assert (written.name, written.recipe, written.settings(one)) == ("as written, 2 × 4", one, {})
    assert fit.name == "8 × 1, not checkpointed, rows joined, padded to 512"
    assert fit.recipe == fitted_here(recipe("training.fit=auto"), card(139)).recipe
    assert fit.settings(one) == {
        "training.per_device_train_batch_size": 8,
        "training.gradient_accumulation_steps": 1,
        "training.gradient_checkpointing": "none",
        "training.padding_free": True,
        "training.pad_to_multiple_of": 512,
    }


def test_only_what_is_marked_changes_more_than_speed_and_memory() -> None:
    one = recipe()
    found = ways(card(139), one)
    assert all((task_of(way.recipe) == task_of(one)) == (not way.marks) for way in found)
    assert {way.name: way.marks for way in found if way.marks} == {
        "grouped by length": "other rows in a step",
        "packed": "more rows in a step",
        "base in 16 bits": "another precision of the base",
        "optimizer in 32 bits": "another precision of the optimizer",
        "not compiled": "other kernels",
        "backend transformers": "another backend",
    }
    assert [way.marks != "" for way in found] == sorted(way.marks != "" for way in found), "they come last"


def test_nothing_is_tried_twice() -> None:
    found = [way.recipe for way in ways(card(139), recipe())]
    assert all(one not in found[:place] for place, one in enumerate(found))


def test_paddings_and_workers_vary_the_fastest_so_far() -> None:
    one = recipe()
    best = fitted_here(recipe("training.fit=auto"), card(139)).recipe
    later = [way for way in ways(card(139), one, best) if not way.marks][6:]
    assert {way.recipe.training.per_device_train_batch_size for way in later} == {8}
    assert [way.name.removeprefix("8 × 1, not checkpointed, ") for way in later] == [
        *(f"rows padded to {multiple}" for multiple in ("64", "128", "512", "2,048")),
        "8 × 1, not checkpointed",
        *(f"rows joined, padded to {multiple}" for multiple in ("256", "1,024")),
        "rows joined",
        "rows joined, padded to 512, 2 dataloader workers",
    ]


def test_what_does_not_fit_is_no_way() -> None:
    names = [way.name for way in ways(card(16), recipe()) if not way.marks]
    assert not any("not checkpointed" in name for name in names)


def test_packed_rows_keep_their_lengths() -> None:
    names = [way.name for way in ways(card(139), recipe("training.packing=true"))]
    assert not any("padded" in name or "joined" in name for name in names)


def test_on_the_cpu_rows_are_split_and_padded_otherwise_and_nothing_is_compiled() -> None:
    found = ways(NO_GPU, recipe("hardware.gpu=none", "training.gradient_checkpointing=none"))
    assert [way.name for way in found[:4]] == ["as written, 2 × 4", "8 × 1", "4 × 2", "1 × 8"]
    assert [way.name for way in found if way.marks] == ["grouped by length", "packed"]
