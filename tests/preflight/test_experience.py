"""What runs here took corrects the forecast of those like them, and tells how long they take."""

import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cockpit.machine.gpu import GpuReport
from cockpit.models.folder import ModelFolder
from cockpit.models.shape import ModelShape
from cockpit.preflight import experience
from cockpit.preflight.experience import Entry, Experience, entry_of, kind_of, learned
from cockpit.preflight.memory import FORMULA, Device, Lengths
from cockpit.preflight.room import forecast_for, gpu_rooms
from cockpit.protocol.events import GpuReading
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from cockpit.runs.measured import MeasuredRun
from tests.bench.memory import config_of, forecast_of
from tests.bench.memory_cases import case
from tests.models.shapes import LLAMA_3_8B, MISTRAL_7B
from tests.preflight.memory_recipe import RECIPE
from tests.recording import record

MEASURED = json.loads((Path(__file__).parent / "memory_h200.json").read_text())
H200 = "NVIDIA H200"
LLAMA, MISTRAL = (ModelFolder(Path(), config) for config in (LLAMA_3_8B, MISTRAL_7B))
MIB = 2**20


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    return tmp_path


def recipe(*settings: str) -> Recipe:
    document = RecipeDocument.parse(RECIPE, "recipe.yaml")
    for setting in settings:
        document.set_from_text(setting)
    return document.recipe()


def measured(peak_mib: float | None, tokens: float = 2048, step_s: float = 2.0) -> MeasuredRun:
    return MeasuredRun(H200, peak_mib, step_s, 30.0, tokens, {"torch": "2.11.0"}, 1000.0)


def taught(
    monkeypatch: pytest.MonkeyPatch, one: Recipe, run: MeasuredRun, config: dict[str, Any] = LLAMA_3_8B
) -> Experience:
    monkeypatch.setattr(experience, "described", lambda _name: ModelFolder(Path(), config))
    return Experience([entry_of("run", one, run)])


def entry_of_case(name: str) -> Entry:
    """What the run of the bench would have taught."""
    one = case(name)
    shape = ModelShape.of(config_of(one.model))
    assert shape is not None
    device = Device(MEASURED["total"], MEASURED["free"])
    ratio = MEASURED["peak_mib"][name] * MIB / forecast_of(one, device).peak.total
    kind = kind_of(one.recipe("/model", "/rows.jsonl"))
    form = f"{shape.family} {shape.hidden} x {shape.layers}, {shape.parameters}"
    return Entry(run=name, gpu=H200, kind=kind, shape=form, rows_fill=True, ratio=ratio, formula=FORMULA)


def off_with(name: str, entries: list[Entry]) -> float | None:
    """How far off the forecast of a run is that was corrected by others; None where they teach nothing about it."""
    one, device = case(name), Device(MEASURED["total"], MEASURED["free"])
    shape = ModelShape.of(config_of(one.model))
    assert shape is not None
    known = Experience(entries).correction(one.recipe("/m", "/r"), shape, H200, lengths_known=True)
    if known is None:
        return None
    return known.factor * forecast_of(one, device).peak.total / MIB / float(MEASURED["peak_mib"][name]) - 1


def test_runs_of_the_same_kind_come_within_5_percent_by_all_the_others() -> None:
    entries = {name: entry_of_case(name) for name in MEASURED["peak_mib"]}
    offs = {
        name: off
        for name in entries
        if (off := off_with(name, [one for other, one in entries.items() if other != name])) is not None
    }
    assert len(offs) == 14
    assert max(map(abs, offs.values())) <= 0.05


def test_and_by_any_one_of_the_others_nearly_always() -> None:
    entries = {name: entry_of_case(name) for name in MEASURED["peak_mib"]}
    offs = [off_with(one, [entries[other]]) for one, other in itertools.permutations(entries, 2)]
    known = [abs(off) for off in offs if off is not None]
    assert len(known) == 28
    assert sum(off <= 0.05 for off in known) == 27
    assert max(known) < 0.056


def test_a_run_of_the_same_model_counts_fully_and_of_another_half(monkeypatch: pytest.MonkeyPatch) -> None:
    found = forecast_for(recipe(), LLAMA)
    assert found is not None
    known = taught(monkeypatch, recipe(), measured(1.21 * found.peak.total / MIB))
    same, correction = known.corrected(found, recipe("lora.r=32"), LLAMA, H200)
    assert correction is not None and correction.same_model
    assert same.peak.total == pytest.approx(1.21 * found.peak.total, rel=1e-6)
    assert correction.said() == "+21.0 %, from 1 run measured here"
    other = known.corrected(found, recipe(), MISTRAL, H200)
    assert other[1] is not None, "the same work"
    other = known.corrected(found, recipe("lora.r=32"), MISTRAL, H200)
    assert other[1] is not None and other[1].factor == pytest.approx(1.1)
    assert other[1].said() == "+10.0 %, from 1 run of other models measured here"


def test_what_it_does_not_teach(monkeypatch: pytest.MonkeyPatch) -> None:
    found = forecast_for(recipe(), LLAMA)
    assert found is not None
    full = taught(monkeypatch, recipe(), measured(found.peak.total / MIB))
    different = recipe("training.gradient_checkpointing=none")
    assert full.corrected(found, different, LLAMA, H200) == (found, None)
    assert full.corrected(found, recipe(), LLAMA, "A100") == (found, None)
    short = taught(monkeypatch, recipe(), measured(0.7 * found.peak.total / MIB, tokens=300))
    assert short.corrected(found, recipe("lora.r=32"), LLAMA, H200)[1] is None, "its rows were shorter, by how much?"
    same = short.corrected(found, recipe("training.max_steps=9"), LLAMA, H200)[1]
    assert same is not None and same.factor == pytest.approx(0.7)
    unknown = taught(monkeypatch, recipe(), measured(None))
    assert unknown.corrected(found, recipe(), LLAMA, H200) == (found, None)
    absurd = taught(monkeypatch, recipe(), measured(90 * found.peak.total / MIB))
    assert absurd.corrected(found, recipe(), LLAMA, H200) == (found, None)


def test_the_time_of_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    known = taught(monkeypatch, recipe(), measured(None, step_s=2.0))
    told = known.duration(recipe("training.learning_rate=1e-5"), 100, H200)
    assert told is not None and told.seconds == pytest.approx(100 * 2.0 + 30.0)
    assert known.duration(recipe("training.per_device_train_batch_size=4"), 100, H200) is None
    assert known.duration(recipe(), None, H200) is None
    assert known.duration(recipe(), 100, "A100") is None


def test_the_time_on_other_rows_by_the_tokens_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    known = taught(monkeypatch, recipe(), measured(None, step_s=2.0, tokens=400))
    other = recipe("data.sources.0.format=messages", "training.max_length=1024")
    assert known.duration(other, 100, H200) is None, "who knows how long they are"
    told = known.duration(other, 100, H200, lengths=Lengths(900, 300))
    assert told is not None and told.seconds == pytest.approx(100 * 2.0 * 300 / 400 + 30.0)
    assert told.said() == "by the tokens of a step, from 1 run of the same model and batch on other rows"
    assert known.duration(other, 100, H200, lengths=Lengths(900, 50)) is None, "too far from what was measured"
    assert known.duration(recipe("lora.r=64"), 100, H200, lengths=Lengths(900, 300)) is None
    same = known.duration(recipe(), 100, H200, lengths=Lengths(900, 300))
    assert same is not None and same.seconds == 230.0 and not same.by_tokens


def test_what_was_measured_of_the_same_work_counts_for_more_than_the_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    found = forecast_for(recipe(), LLAMA)
    assert found is not None
    known = taught(monkeypatch, recipe(), measured(0.7 * found.peak.total / MIB, tokens=300))
    report = GpuReport(gpus=[GpuReading(index=0, uuid="0", name=H200, vram_used_mib=0.0, vram_total_mib=143_000.0)])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    rooms = [
        gpu_rooms(one, LLAMA, report, lengths=Lengths(400, 300), experience=known)[0]
        for one in (recipe(), recipe("lora.r=32"))
    ]
    assert rooms[0].forecast is not None and rooms[0].forecast.peak.total == pytest.approx(0.7 * found.peak.total)
    assert rooms[1].forecast is not None and rooms[1].correction is None
    assert rooms[1].forecast.tokens == 2 * 400


def test_runs_that_have_ended_are_looked_at_once_and_kept(own_home: Path) -> None:
    runs = own_home / "runs"
    record(runs, run_id="done", gpus=1)
    record(runs, run_id="failed", ending="failed", until=20, reason="no")
    entries = {one.run: one for one in learned().entries}
    assert entries.keys() == {"done", "failed"}
    assert (entries["failed"].kind, entries["failed"].step_s) == ("", None)
    assert entries["done"].gpu == H200 and (entries["done"].step_s or 0) > 0
    kept = (own_home / experience.FILE).read_bytes()
    assert learned().entries == tuple(msgspec.json.decode(kept, type=list[Entry]))


@pytest.mark.parametrize("damage", [b"", b"{", b"null", b"[" * 9000, b'[{"run": 7}, 3, {"run": "x", "ratio": 1e9}]'])
def test_a_damaged_file_is_made_anew(own_home: Path, damage: bytes) -> None:
    record(own_home / "runs", run_id="done", gpus=1)
    before = learned().entries
    (own_home / experience.FILE).write_bytes(damage)
    assert learned().entries == before


def test_what_a_run_took_is_read_from_its_logs(tmp_path: Path) -> None:
    found = MeasuredRun.of(record(tmp_path, gpus=2))
    assert found is not None
    assert (found.gpu, found.peak_mib) == (H200, 6860.0)
    assert MeasuredRun.of(record(tmp_path, run_id="lost", ending="lost", until=20)) is None
