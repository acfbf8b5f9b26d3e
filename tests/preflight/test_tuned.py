"""What cockpit tune has found, and what was too much: kept, and used by training.fit: auto."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.machine.compile_cache import compile_cache
from cockpit.machine.gpu import GpuReport
from cockpit.models.folder import ModelFolder
from cockpit.preflight import tuned
from cockpit.preflight.fitting import with_training
from cockpit.preflight.outlook import Forecaster, fitted_here
from cockpit.preflight.tuned import lessons, remember, remember_too_much, way_of
from cockpit.recipe.recipe import Recipe
from tests.models.shapes import LLAMA_3_8B
from tests.tuning.cards import CARD, card, recipe

ANSWER = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "gradient_checkpointing": "none",
          "pad_to_multiple_of": 128, "padding_free": False, "dataloader_num_workers": 2}  # fmt: skip
SAID = "here 4 × 2, not checkpointed, rows padded to 128, 2 dataloader workers"


@pytest.fixture(autouse=True)
def llama(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(Forecaster, "_model", lambda forecaster, name: ModelFolder(Path(), LLAMA_3_8B))


def answer(one: Recipe, gpu: str = CARD, **more: object) -> None:
    written = way_of(with_training(one, fit="as_written").training)
    found = {"settings": ANSWER, "tokens_s": 4500.0, "written": written, "written_tokens_s": 1000.0}
    remember(one, gpu, **found | more)


def said(report: GpuReport, *settings: str) -> str:
    return fitted_here(recipe("training.fit=auto", *settings), report).said()


def test_fit_takes_what_was_measured_and_says_how_much_faster_it_is() -> None:
    answer(recipe("training.max_steps=60"))
    assert said(card(139), "training.learning_rate=1e-5") == f"{SAID}, about 4.5 times as fast (written 2 × 4)"
    again = said(card(139), "training.per_device_train_batch_size=1", "training.gradient_accumulation_steps=8")
    assert again == f"{SAID} (written 1 × 8)", "that one was not measured"


@pytest.mark.parametrize(
    ("settings", "report"),
    [
        (["training.max_length=512"], card(139)),
        (["data.sources.0.name_or_path=others.jsonl"], card(139)),
        (["training.gradient_accumulation_steps=8"], card(139)),
        (["lora.r=32"], card(139)),
        ([], card(16)),
        ([], card(139, used_gib=125)),
    ],
    ids=["lengths", "data", "rows a step", "adapter", "a smaller GPU", "others hold it"],
)
def test_it_holds_for_the_same_work_where_it_fits(settings: list[str], report: GpuReport) -> None:
    before = said(report, *settings)
    answer(recipe())
    assert said(report, *settings) == before


def test_another_gpu_and_other_versions_ask_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = said(card(139))
    answer(recipe(), "another card")
    assert said(card(139)) == before
    answer(recipe())
    assert said(card(139)) != before
    monkeypatch.setattr(tuned, "version", lambda _name: "99")
    assert said(card(139)) == before


def test_what_was_measured_to_fit_is_taken_where_the_forecast_would_not() -> None:
    answer(recipe())
    assert SAID not in said(card(34))
    answer(recipe(), peak_mib=24_000.0)
    assert SAID in said(card(34))


def test_the_newest_answer_counts_and_nothing_faster_is_said_so() -> None:
    answer(recipe())
    plain = recipe().training.model_dump()
    answer(recipe(), settings={name: plain[name] for name in ANSWER}, tokens_s=1000.0)
    assert len(lessons().answers) == 1
    assert said(card(139)) == "as written: cockpit tune has found nothing faster here"


def test_the_cpu_has_answers_too() -> None:
    one = recipe("hardware.gpu=none", "training.fit=auto")
    assert fitted_here(one, GpuReport()).said().startswith("as written: no GPU")
    answer(one, "")
    assert fitted_here(one, GpuReport()).said().startswith(SAID)


def test_what_was_too_much_is_not_tried_again_with_as_little_memory() -> None:
    first = fitted_here(recipe("training.fit=auto"), card(139)).recipe
    assert first.training.per_device_train_batch_size == 8
    remember_too_much(first, CARD, 139 << 30)
    second = fitted_here(recipe("training.fit=auto"), card(139)).recipe
    assert second != first and second.training.gradient_checkpointing == "none"
    assert fitted_here(recipe("training.fit=auto"), card(180)).recipe == first, "there is more now"
    answer(recipe(), settings={name: getattr(first.training, name) for name in ANSWER})
    assert fitted_here(recipe("training.fit=auto"), card(139)).recipe == second


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"answers": [1]}', '{"answers": [{"task": "x", "gpu": "", "versions": "", "settings": {}}]}', "\x00"],
)
def test_a_damaged_file_tells_nothing(content: str) -> None:
    before = said(card(139))
    (compile_cache() / tuned.FILE).write_text(content)
    assert said(card(139)) == before
    answer(recipe())
    assert SAID in said(card(139)), "it is made anew"


@pytest.mark.parametrize(
    "settings",
    [
        ANSWER | {"per_device_train_batch_size": 3},
        ANSWER | {"gradient_checkpointing": "x"},
        {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 1},
    ],
    ids=["other rows", "no such value", "not all"],
)
def test_settings_that_are_not_of_this_work_are_passed_over(settings: dict[str, object]) -> None:
    before = said(card(139))
    answer(recipe(), settings=settings)
    assert said(card(139)) == before
