"""The editor says beside the form whether it fits, and a key makes the micro-batch as large as fits."""

from pathlib import Path

import pytest

from cockpit.paths import shipped_recipes_folder
from tests.ui.a_gpu import REPORT
from tests.ui.editor_steps import editing, go_to
from tests.ui.engines import FakeEngines, FakeProbe, is_at, shown, write_recipe
from tests.ui.waiting import type_text, until


async def test_the_forecast_reacts_to_each_field_and_a_key_makes_the_batch_fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    recipe = tmp_path / "as-written.yaml"
    shipped = (shipped_recipes_folder() / "llama-3-8b.yaml").read_text()
    recipe.write_text(shipped.replace("fit: auto", "fit: as_written"))
    async with editing(recipe, (120, 48), probe=FakeProbe(REPORT)) as (app, pilot, screen):
        await until(pilot, lambda: "✓ 7.8 GiB of 22 GiB free" in shown(app))
        assert "█ weights 5.3" in shown(app)
        await go_to(pilot, screen, "training.per_device_train_batch_size")
        await type_text(pilot, "64")
        await until(pilot, lambda: "✗" in shown(app) and "held by jupyter 2.0 GiB" in shown(app))
        await pilot.press("f7")
        value = screen.draft.document.value
        await until(pilot, lambda: value("training.per_device_train_batch_size") != 64)
        micro = value("training.per_device_train_batch_size")
        assert isinstance(micro, int) and 1 < micro < 64
        assert micro * value("training.gradient_accumulation_steps") == 64 * 4
        await until(pilot, lambda: "held by" not in shown(app))


async def test_many_passes_over_few_rows_deserve_a_remark(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine"), (120, 48)) as (app, pilot, screen):
        await go_to(pilot, screen, "training.max_steps")
        await type_text(pilot, "9000")
        await until(pilot, lambda: "learn them by heart" in " ".join(shown(app).split()))
        assert "on the CPU" in shown(app)
        await pilot.press("f7")
        await until(pilot, lambda: "no GPU" in " ".join(shown(app).split()))


async def test_fit_is_told_beside_the_form_and_is_what_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("cockpit.preflight.checks.preflight", lambda *_, **__: [])
    engines = FakeEngines()
    recipe = shipped_recipes_folder() / "llama-3-8b.yaml"
    async with editing(recipe, (120, 48), engines=engines, probe=FakeProbe(REPORT)) as (app, pilot, _screen):
        said = "here 8 × 1, rows padded to 256 (written 2 × 4)"
        await until(pilot, lambda: "here 8 × 1, rows padded" in shown(app) and "(written 2 × 4)" in shown(app))
        await pilot.press("f5")
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        (started,) = [engine for engine in engines.started if engine.recipe_text]
        assert started.fitted == said
        assert "per_device_train_batch_size: 8" in started.recipe_text
        assert "fit: as_written" in started.recipe_text
