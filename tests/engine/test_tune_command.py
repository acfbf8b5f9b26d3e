"""cockpit tune and cockpit lr with real engines and a tiny model: what they measure, keep, write and leave."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.paths import probes_folder, user_recipes_folder
from cockpit.preflight.tuned import lessons
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.folder import all_runs
from cockpit.tuning import tuner
from cockpit.tuning.told import ProbeEnded, TuneEnded, decode
from cockpit.tuning.ways import tried
from tests.engine import tiny
from tests.engine.warm_stack import WarmStack

SETTINGS = {"training__per_device_train_batch_size": 1, "training__gradient_accumulation_steps": 2,
            "data__eval_rows": 4, "training__eval_steps": 2, "output__save_steps": 2,
            "hardware__gpu": "none"}  # fmt: skip


@pytest.fixture
def recipe(model: Path, rows: Path, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(tiny.recipe_text(model, rows, backend="transformers", **SETTINGS))
    return path


def test_it_measures_the_same_rows_each_way_and_keeps_the_fastest(
    recipe: Path, plain_stack: WarmStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuner, "tried", lambda *asked, **more: islice(tried(*asked, **more), 2))
    with plain_stack.starts_engines():
        done = CliRunner().invoke(cockpit, ["tune", str(recipe), "--json", "--write"])
    assert done.exit_code == 0, done.output
    told = [decode(line) for line in done.stdout.splitlines() if line.startswith("{")]
    probes = [one for one in told if isinstance(one, ProbeEnded)]
    assert [one.name for one in probes] == ["as written, 1 × 2", "2 × 1"]
    assert probes[0].outcome == "measured"
    assert all(abs(one.loss_off or 0.0) < 1e-3 for one in probes if not one.marks)
    assert all((one.tokens_s or 0) > 0 for one in probes if one.outcome in ("measured", "behind"))
    ended = told[-1]
    assert isinstance(ended, TuneEnded)
    (answer,) = lessons().answers
    assert answer.gpu == ""
    written = RecipeDocument.load(recipe)
    assert {name: written.value(name) for name in ended.settings} == ended.settings
    assert all(name.partition(".")[2] in done.stderr for name in ended.settings), "the difference is shown"
    assert list(probes_folder().iterdir()) == [] and all_runs() == []
    assert not user_recipes_folder().exists()


@pytest.mark.parametrize("budget", ["", "soon", "0m", "5 parsecs"])
def test_a_budget_that_is_no_time_is_refused(recipe: Path, budget: str) -> None:
    done = CliRunner().invoke(cockpit, ["tune", str(recipe), "--budget", budget])
    assert done.exit_code == 2 and "give one such as 90s, 5m or 1h" in done.output


def test_a_learning_rate_is_found_on_held_out_rows_and_written(recipe: Path, plain_stack: WarmStack) -> None:
    rate = ["--set", "training.learning_rate=2e-3"]
    with plain_stack.starts_engines():
        done = CliRunner().invoke(cockpit, ["lr", str(recipe), "--steps", "20", "--budget", "0.001s", "--write", *rate])
    assert done.exit_code == 0, done.output
    assert "20 steps at each rate, measured on up to 4 held-out rows" in done.stdout
    assert any(line.startswith("  2.00e-3") and line.endswith("<- this one") for line in done.stdout.splitlines())
    assert RecipeDocument.load(recipe).value("training.learning_rate") == 2e-3
    assert list(probes_folder().iterdir()) == [] and all_runs() == []


def test_the_loss_of_grpo_tells_no_learning_rate() -> None:
    done = CliRunner().invoke(cockpit, ["lr", "demo-grpo", "--set", "hardware.gpu=none"])
    assert done.exit_code == 2 and "its loss says nothing of a learning rate" in done.output
