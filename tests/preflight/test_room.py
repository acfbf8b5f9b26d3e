"""What a recipe will take of GPUs that others use too, and of the disk."""

from pathlib import Path

import pytest

from cockpit.machine.gpu import GpuReport
from cockpit.models.folder import ModelFolder
from cockpit.preflight.room import disk_room, forecast_for, gpu_rooms, trains_on
from cockpit.protocol.events import GpuReading, Holder
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from tests.models.shapes import LLAMA_3_8B
from tests.preflight.memory_recipe import RECIPE
from tests.runs.saved_adapter import make_adapter

LLAMA = ModelFolder(Path(), LLAMA_3_8B)
MIB = 1024.0
FULL = GpuReading(index=0, uuid="GPU-0", name="A100", vram_used_mib=38 * MIB, vram_total_mib=40 * MIB)
FREE = GpuReading(index=1, uuid="GPU-1", name="A100", vram_used_mib=0.5 * MIB, vram_total_mib=40 * MIB)
SILENT = GpuReading(index=2, uuid="GPU-2", name="A100")
OTHER = Holder(pid=7, name="python", mib=38 * MIB)
REPORT = GpuReport(gpus=[FULL, FREE, SILENT], driver="570.1", holders={"GPU-0": [OTHER]})


@pytest.fixture(autouse=True)
def no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def recipe(*settings: str) -> Recipe:
    document = RecipeDocument.parse(RECIPE, "recipe.yaml")
    for setting in settings:
        document.set_from_text(setting)
    return document.recipe()


def test_each_gpu_is_told_with_what_is_free_there_and_who_holds_the_rest() -> None:
    full, free, silent = gpu_rooms(recipe(), LLAMA, REPORT)
    assert [room.fit for room in (full, free, silent)] == ["does not fit", "fits", None]
    assert (full.fit_alone, full.holders) == ("fits", (OTHER,))
    assert [room.chosen for room in (full, free, silent)] == [False, True, False], "the freest one"
    assert full.free == 2 << 30


def test_a_model_without_a_shape_is_not_known_to_fit() -> None:
    for model in (None, ModelFolder(Path(), {"model_type": "mamba"})):
        assert [room.fit for room in gpu_rooms(recipe(), model, REPORT)] == [None, None, None]
        assert forecast_for(recipe(), model) is None


def test_where_it_trains() -> None:
    assert trains_on(recipe(), REPORT) == "GPU-1"
    assert trains_on(recipe("hardware.gpu=0"), REPORT) == "GPU-0"
    assert trains_on(recipe("hardware.gpu=none"), REPORT) == ""
    assert trains_on(recipe("hardware.gpu=9"), REPORT) is None
    assert trains_on(recipe(), GpuReport()) == ""


def test_checkpoints_on_the_disk() -> None:
    weights = 41_943_040
    found = forecast_for(recipe(), LLAMA)
    assert found is not None
    room = disk_room(recipe(), found, 1000)
    assert room.result == 4 * weights
    assert room.checkpoint == pytest.approx((4 + 2.03125) * weights, abs=300)
    assert (room.kept, disk_room(recipe(), found, 250).kept, disk_room(recipe(), found, 20).kept) == (3, 2, 1)
    assert room.needed == 3 * room.checkpoint + room.result
    assert room.merged == 2 * 8_030_261_248
    assert room.free is not None and room.free > 0


def test_all_checkpoints_are_kept_where_the_recipe_sets_no_limit() -> None:
    often = recipe("output.save_steps=10")
    found = forecast_for(often, LLAMA)
    assert found is not None
    assert disk_room(often, found, 1000).kept == 100
    assert disk_room(often, found, None).kept is None
    assert disk_room(often, found, None).needed is None


def test_paged_states_are_on_the_disk_too() -> None:
    paged = recipe("training.optim=paged_adamw_8bit", "lora.r=128")
    found = forecast_for(paged, LLAMA)
    assert found is not None and found.checkpoint == pytest.approx(found.result * (1 + 2.03125 / 4), abs=300)


def test_an_adapter_that_goes_on_is_as_large_as_it_is(tmp_path: Path) -> None:
    """The recipe says nothing of its rank."""
    adapter = make_adapter(tmp_path / "adapter", r=128, target_modules=["q_proj"])
    asked = recipe(f"model.adapter={adapter}")
    found, fresh = forecast_for(asked, LLAMA), forecast_for(recipe("lora.r=128", "lora.target_modules=[q_proj]"), LLAMA)
    assert found is not None and fresh is not None
    assert found.trainable == fresh.trainable
    gone = recipe(f"model.adapter={tmp_path / 'nowhere'}")
    assert forecast_for(gone, LLAMA) == forecast_for(recipe(), LLAMA)
