"""training.fit: what is chosen on cards of all sizes, and what is left as it was written."""

from pathlib import Path

import msgspec
import pytest

from cockpit.machine.gpu import GpuReport
from cockpit.models.folder import ModelFolder
from cockpit.preflight import outlook
from cockpit.preflight.experience import Entry, Experience, work_of
from cockpit.preflight.fitting import Fitted, with_training
from cockpit.preflight.outlook import Forecaster, fitted_here
from cockpit.protocol.events import GpuReading
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from tests.models.shapes import LLAMA_3_8B
from tests.preflight.memory_recipe import RECIPE

CARDS = (8, 12, 16, 24, 40, 80, 139)
KEPT = ("per_device_train_batch_size", "gradient_accumulation_steps", "gradient_checkpointing", "padding_free",
        "pad_to_multiple_of", "fit")  # fmt: skip
"""Fields that fit may choose; all others stay."""


@pytest.fixture(autouse=True)
def llama(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(Forecaster, "_model", lambda forecaster, name: ModelFolder(Path(), LLAMA_3_8B))


def recipe(*settings: str) -> Recipe:
    document = RecipeDocument.parse(RECIPE, "recipe.yaml")
    for setting in ("training.fit=auto", "model.quantization=nf4", *settings):
        document.set_from_text(setting)
    return document.recipe()


def card(gib: float, used_gib: float = 0.4) -> GpuReport:
    used, total = used_gib * 1024, gib * 1024
    reading = GpuReading(index=0, uuid="GPU-0", name="a card", vram_used_mib=used, vram_total_mib=total)
    return GpuReport(gpus=[reading], driver="570.1", capabilities={"GPU-0": (9, 0)})


def fitted(gib: float, *settings: str, used_gib: float = 0.4) -> Fitted:
    return fitted_here(recipe(*settings), card(gib, used_gib))


def rows(one: Recipe) -> int:
    return one.training.per_device_train_batch_size * one.training.gradient_accumulation_steps


@pytest.mark.parametrize("gib", CARDS)
def test_what_is_chosen_fits_and_trains_the_same_rows_a_step(gib: int) -> None:
    found = fitted(gib)
    assert rows(found.recipe) == rows(found.written)
    assert found.recipe.training.fit == "as_written", "the run's recipe says what is trained"
    same = found.recipe.model_dump(exclude={"training": set(KEPT)})
    assert same == found.written.model_dump(exclude={"training": set(KEPT)})
    if found.differs:
        assert Forecaster().outlook(found.recipe, card(gib), None).fit == "fits"


def test_more_memory_buys_larger_batches_and_then_kept_activations() -> None:
    chosen = [fitted(gib).recipe.training for gib in CARDS]
    assert [one.gradient_checkpointing == "none" for one in chosen] == [False] * 3 + [True] * 4
    micro = [one.per_device_train_batch_size for one in chosen]
    assert micro == [2, 8, 8, 2, 4, 8, 8], (
        "what is computed once in smaller batches is quicker than again in a large one"
    )
    short = fitted(40, "training.max_length=256").recipe.training
    assert short.per_device_train_batch_size == 8, "short rows cost their launches, so they go together"


def test_held_out_rows_are_measured_in_batches_as_written() -> None:
    assert fitted(139).recipe.training.per_device_eval_batch_size is None, "none are held out"
    held_out = fitted(139, "data.eval_rows=10")
    assert held_out.recipe.training.per_device_eval_batch_size == 2
    assert fitted(139, "data.eval_rows=10", "training.per_device_eval_batch_size=4").recipe == with_training(
        held_out.recipe, per_device_eval_batch_size=4
    )


def test_what_others_hold_is_left_to_them() -> None:
    assert fitted(139, used_gib=125).recipe == fitted(14.4).recipe


def test_what_was_chosen_is_said_with_what_was_written() -> None:
    found = fitted(139, "training.per_device_train_batch_size=2", "training.gradient_accumulation_steps=4",
                   "model.max_seq_length=1024", "training.gradient_checkpointing=unsloth")  # fmt: skip
    assert found.said() == "here 8 × 1, not checkpointed, rows joined, padded to 512 (written 2 × 4)"
    room = Forecaster().outlook(found.recipe, card(139), None).room
    assert found.said(room).startswith("here 8 × 1, not checkpointed, rows joined, padded to 512, ")
    assert " of 139 GiB (written 2 × 4)" in found.said(room)
    told = Forecaster().outlook(found.written, card(139), None)
    assert (told.fitted, told.found) == (found, room and room.forecast), "all else is told of what is trained"


def test_packed_rows_and_runs_without_the_compiler_keep_their_lengths() -> None:
    for setting in ("training.packing=true", "hardware.compile=false"):
        found = fitted(139, setting)
        assert found.recipe.training.pad_to_multiple_of == found.written.training.pad_to_multiple_of


@pytest.mark.parametrize(
    ("settings", "report", "why"),
    [
        (["training.fit=as_written"], card(139), "as written: training.fit says so"),
        (["hardware.gpu=none"], card(139), "as written: no GPU would train it here"),
        ([], GpuReport(), "as written: no GPU would train it here"),
        ([], GpuReport(gpus=[GpuReading(index=0, uuid="GPU-0", name="mute")]), "as written: what it takes of the GPU"),
    ],
)
def test_what_is_left_as_written_says_why(settings: list[str], report: GpuReport, why: str) -> None:
    found = fitted_here(recipe(*settings), report)
    assert found.said().startswith(why)
    assert (found.differs, found.told) == (False, "")


@pytest.mark.parametrize(
    ("settings", "capability", "torch", "joins"),
    [
        ([], (9, 0), (2, 11), True),
        ([], (8, 0), (2, 12), True),
        ([], (7, 5), (2, 11), False),
        ([], (9, 0), (2, 10), False),
        (["backend=transformers", "training.gradient_checkpointing=none"], (9, 0), (2, 11), False),
    ],
    ids=["Hopper", "Ampere", "Turing", "an older torch", "another backend"],
)
def test_rows_are_joined_where_one_kernel_attends_to_them(
    settings: list[str],
    capability: tuple[int, int],
    torch: tuple[int, int],
    joins: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outlook, "torch_release", lambda: torch)
    report = msgspec.structs.replace(card(139), capabilities={"GPU-0": capability})
    found = fitted_here(recipe(*settings), report).recipe.training
    assert (found.padding_free, found.pad_to_multiple_of) == ((True, 512) if joins else (False, 256))


def test_runs_that_have_ended_here_tell_how_much_faster_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    written = recipe("training.fit=as_written")
    fast = fitted_here(recipe(), card(139)).recipe
    entries = [
        Entry(run=name, gpu="a card", work=work_of(one), step_s=seconds)
        for name, one, seconds in (("1", written, 2.0), ("2", fast, 0.4))
    ]
    monkeypatch.setattr(outlook, "learned", lambda: Experience(entries))
    assert ", about 5.0 times as fast (written" in fitted_here(recipe(), card(139)).said()
    monkeypatch.setattr(outlook, "learned", lambda: Experience(entries[1:]))
    assert "times as fast" not in fitted_here(recipe(), card(139)).said(), "the one as written was not measured"
