"""The editor: fields, errors, plan, reset, save as, start; by keys alone."""

import json
import re
import threading
from io import BufferedReader
from pathlib import Path

import pytest
from textual.events import Key

from cockpit.disk import open_to_read
from cockpit.paths import user_recipes_folder
from cockpit.recipe.document import RecipeDocument
from cockpit.ui.messages import EditRecipe
from cockpit.ui.screens.dialog import Dialog
from cockpit.ui.screens.editor import EditorScreen
from cockpit.ui.screens.save_dialog import SaveDialog
from cockpit.ui.widgets.field_row import FieldRow
from cockpit.ui.widgets.recipe_form import MoreFields, RecipeForm
from tests.runs.complete_checkpoint import write_safetensors
from tests.ui.editor_steps import editing, go_to
from tests.ui.engines import FakeEngines, flown, is_at, shown, write_data, write_recipe
from tests.ui.waiting import type_text, until


async def test_a_rank_is_changed_by_keys_alone(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine")) as (app, pilot, screen):
        await pilot.press("pagedown")
        await pilot.pause()
        await type_text(pilot, "32")
        await until(pilot, lambda: screen.draft.document.value("lora.r") == 32)
        await pilot.pause()
        text = shown(app)
        assert "16 → 32" in text
        assert "* r" in text
        assert "LoRA" in text and "*1" in text


async def test_an_error_stands_under_its_field_and_start_goes_to_it(tmp_path: Path) -> None:
    engines = FakeEngines()
    async with editing(write_recipe(tmp_path, "mine"), engines=engines) as (app, pilot, screen):
        await go_to(pilot, screen, "lora.r")
        await type_text(pilot, "0")
        await go_to(pilot, screen, "training.learning_rate")
        await type_text(pilot, "fast")
        await pilot.pause()
        rate = next(row for row in screen.query(FieldRow) if row.field.path == "training.learning_rate")
        assert "fast" in rate.error
        await pilot.press("f5")
        await until(pilot, lambda: screen.query_one(RecipeForm).focused_path == "lora.r")
        await until(pilot, lambda: "2 errors left" in shown(app))
        lines = shown(app).splitlines()
        row = next(index for index, line in enumerate(lines) if "* r " in line)
        assert "✗ 0 is" in lines[row + 1]
        assert not any(said.startswith("train") for said in engines.said)


async def test_a_file_that_is_not_there_is_an_error_at_its_field(tmp_path: Path) -> None:
    engines = FakeEngines()
    async with editing(write_recipe(tmp_path, "mine"), engines=engines) as (app, pilot, screen):
        await go_to(pilot, screen, "data.sources.0.name_or_path")
        row = next(row for row in screen.query(FieldRow) if row.field.path == "data.sources.0.name_or_path")
        row.control.value = "gone.jsonl"
        await until(pilot, lambda: row.error.startswith("there is no such file: gone.jsonl; give"))
        await until(pilot, lambda: "✗1" in shown(app))
        await pilot.press("pagedown")
        await until(pilot, lambda: screen.query_one(RecipeForm).group == "Training")
        await pilot.press("f5")
        await until(pilot, lambda: screen.query_one(RecipeForm).focused_path == "data.sources.0.name_or_path")
        assert app.screen is screen
        assert not any(said.startswith("train") for said in engines.said)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, SaveDialog))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        row.control.value = str(write_data(tmp_path))
        await until(pilot, lambda: not row.error)


async def test_weights_that_are_named_are_looked_at_by_another_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, readers = tmp_path / "model", list[threading.Thread]()
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}')
    (folder / "tokenizer.json").write_text("{}")
    weights = write_safetensors(folder / "model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])

    def read(path: Path) -> BufferedReader:
        readers.append(threading.current_thread())
        return open_to_read(path)

    monkeypatch.setattr("cockpit.models.weights_file.open_to_read", read)
    async with editing(write_recipe(tmp_path, "mine")) as (_, pilot, screen):
        await go_to(pilot, screen, "model.name_or_path")
        readers.clear()
        row = next(row for row in screen.query(FieldRow) if row.field.path == "model.name_or_path")
        row.control.value = str(folder)
        await until(pilot, lambda: "model.safetensors" in row.error)
    assert readers and threading.main_thread() not in readers


async def test_an_error_that_is_not_in_the_form_is_told_with_its_line_and_file(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "mine", max_steps="max_stepz")
    line = path.read_text().split("\n").index("  max_stepz: 300") + 1
    async with editing(path, (140, 40)) as (app, pilot, screen):
        await until(pilot, lambda: "max_stepz" in shown(app))
        (sentence,) = (f"{field}: {text}" for field, text in screen.draft.errors().items())
        assert sentence.startswith(f"training.max_stepz (line {line}): ")
        assert sentence.endswith(f"; mend it in the file {path}")
        assert sentence in str(screen.query_one("#summary").render())
        assert f"✗ training.max_stepz (line {line})" in shown(app)
        await pilot.press("f5")
        await until(pilot, lambda: "Cannot start: 1 error left, training.max_stepz" in " ".join(shown(app).split()))


async def test_the_plan_follows_each_edit(tmp_path: Path) -> None:
    data = write_data(tmp_path, rows=90)
    async with editing(write_recipe(tmp_path, "mine", data=str(data))) as (app, pilot, screen):
        await until(pilot, lambda: "90 rows" in shown(app))
        assert "8 rows (4 × 2)" in shown(app)
        await go_to(pilot, screen, "training.max_steps")
        await pilot.press("ctrl+u", "delete")
        await until(pilot, lambda: "in 1 epoch" in shown(app))
        assert "80 rows, 10 held out" in shown(app)
        plan = screen.query_one("#facts")
        assert "10" in str(plan.render())
        await go_to(pilot, screen, "training.num_train_epochs")
        await type_text(pilot, "3")
        await until(pilot, lambda: "in 3 epochs" in shown(app))
        assert "30" in str(plan.render())


async def test_a_data_file_is_recognised_when_chosen(tmp_path: Path) -> None:
    rows = [{"instruction": "Say one", "input": "", "output": "one"}] * 7
    other = tmp_path / "alpaca.json"
    other.write_text(json.dumps(rows))
    async with editing(write_recipe(tmp_path, "mine", data=str(write_data(tmp_path)))) as (app, pilot, screen):
        await go_to(pilot, screen, "data.sources.0.name_or_path")
        row = next(row for row in screen.query(FieldRow) if row.field.path == "data.sources.0.name_or_path")
        row.control.value = str(other)
        await until(pilot, lambda: "alpaca, 7 rows" in shown(app))


async def test_paths_complete_with_tab(tmp_path: Path) -> None:
    (tmp_path / "first.jsonl").write_text('{"text": "a"}\n')
    async with editing(write_recipe(tmp_path, "mine"), size=(200, 50)) as (app, pilot, screen):
        await go_to(pilot, screen, "data.sources.0.name_or_path")
        row = next(row for row in screen.query(FieldRow) if row.field.path == "data.sources.0.name_or_path")
        row.control.value = f"{tmp_path}/fi"
        await until(pilot, lambda: "first.jsonl" in shown(app))
        await pilot.press("tab")
        await until(pilot, lambda: row.control.value == str(tmp_path / "first.jsonl"))
        assert screen.query_one(RecipeForm).focused_path == "data.sources.0.name_or_path"


async def test_choices_are_taken_by_arrow_keys(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine")) as (_, pilot, screen):
        await go_to(pilot, screen, "model.quantization")
        await pilot.press("right")
        await until(pilot, lambda: screen.draft.document.value("model.quantization") == "nf4")
        await go_to(pilot, screen, "lora.use_dora")
        await pilot.press("space")
        await until(pilot, lambda: screen.draft.document.value("lora.use_dora") is True)


async def test_a_schedulers_settings_appear_when_it_is_chosen(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine")) as (app, pilot, screen):
        await go_to(pilot, screen, "training.lr_scheduler_type")
        assert "num_cycles" not in shown(app)
        await pilot.press("right")
        await until(pilot, lambda: "num_cycles" in shown(app))
        await go_to(pilot, screen, "training.warmup_steps")
        await pilot.press("up")
        await until(
            pilot,
            lambda: screen.query_one(RecipeForm).focused_path == "training.lr_scheduler_kwargs.num_cycles",
        )
        await type_text(pilot, "1.5")
        await until(pilot, lambda: screen.draft.document.value("training.lr_scheduler_kwargs.num_cycles") == 1.5)


async def test_q_in_a_choice_does_not_quit(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine")) as (app, pilot, screen):
        await go_to(pilot, screen, "model.quantization")
        await pilot.press("q")
        await pilot.pause()
        assert app.is_running
        assert app.screen is screen


async def test_keys_that_come_at_once_each_go_a_field_on(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine")) as (app, pilot, screen):
        await go_to(pilot, screen, "lora.r")
        for _ in range(3):
            app.post_message(Key("down", None))
        await pilot.pause()
        assert screen.query_one(RecipeForm).focused_path == "lora.target_modules"


async def test_reset_one_field_and_all(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine")) as (app, pilot, screen):
        await go_to(pilot, screen, "lora.r")
        await type_text(pilot, "99")
        await pilot.press("down")
        await type_text(pilot, "5")
        await pilot.pause()
        assert screen.unsaved == 2
        await pilot.press("ctrl+r")
        await until(pilot, lambda: screen.unsaved == 1)
        assert screen.draft.text("lora.lora_alpha") == "16"
        await pilot.press("f8")
        await until(pilot, lambda: screen.unsaved == 0)
        await pilot.pause()
        row = next(row for row in screen.query(FieldRow) if row.field.path == "lora.r")
        assert row.text == "16"
        assert "Nothing is changed." in shown(app)


async def test_saved_recipes_stand_in_the_list(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine")) as (app, pilot, screen):
        await go_to(pilot, screen, "lora.r")
        await type_text(pilot, "64")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, SaveDialog))
        await type_text(pilot, "wide")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)
        assert (user_recipes_folder() / "wide.yaml").read_text().count("r: 64") == 1
        assert "wide · edit" in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is not screen)
        await until(pilot, lambda: "wide · yours" in shown(app))
        await until(pilot, lambda: "▸ wide" in shown(app))
        about = RecipeDocument.load(user_recipes_folder() / "wide.yaml").recipe().about
        assert (about.title, about.description) == ("wide", "From mine, changed: lora.r.")


async def test_a_name_that_is_taken_asks_again(tmp_path: Path) -> None:
    write_recipe(user_recipes_folder(), "taken")
    async with editing(write_recipe(tmp_path, "mine")) as (app, pilot, screen):
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, SaveDialog))
        await type_text(pilot, "taken")
        await pilot.press("enter")
        await until(pilot, lambda: "Enter again replaces it" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)
        assert "# a comment that stays" in (user_recipes_folder() / "taken.yaml").read_text()


async def test_leaving_asks_only_where_something_would_be_lost(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine")) as (app, pilot, screen):
        await go_to(pilot, screen, "lora.r")
        await type_text(pilot, "7")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("ctrl+r", "escape")
        await until(pilot, lambda: is_at(app, "RecipesScreen"))


async def test_start_trains_what_stands_in_the_form(tmp_path: Path) -> None:
    engines = FakeEngines()
    async with editing(write_recipe(tmp_path, "mine"), engines=engines) as (app, pilot, screen):
        await go_to(pilot, screen, "lora.r")
        await type_text(pilot, "32")
        await pilot.press("f5")
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        assert engines.said[-1] == "train mine on 1"
        assert "r: 32" in engines.started[0].recipe_text


async def test_the_last_field_leads_into_the_next_group(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine")) as (_, pilot, screen):
        form = screen.query_one(RecipeForm)
        await pilot.press("up")
        await until(pilot, lambda: form.group == "Output")
        await pilot.press("down")
        await until(pilot, lambda: form.group == "Model")
        assert form.focused_path == screen.draft.fields_of("Model")[0].path


async def test_every_group_fits_on_a_small_terminal(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine"), (80, 24)) as (app, pilot, screen):
        for group in [*screen.draft.groups, "Plan"]:
            await pilot.pause()
            text = shown(app)
            assert f"▸{group}" in text
            assert all(len(line) <= 80 for line in text.splitlines())
            await pilot.press("pagedown")
            await until(pilot, lambda group=group: f"▸{group}" not in shown(app))  # type: ignore[misc]


async def test_the_help_of_the_focused_field_stands_below(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine")) as (app, pilot, screen):
        await go_to(pilot, screen, "lora.r")
        await pilot.pause()
        text = " ".join(shown(app).split())
        assert "Rank: how much the adapter can learn" in text
        assert "whole number from 1 to 1,024" in text
        await pilot.press("f1")
        await until(pilot, lambda: is_at(app, "HelpScreen"))
        assert "Rank: how much the adapter can learn" in shown(app)


async def test_data_that_was_brought_along_is_what_the_editor_opens_at(tmp_path: Path) -> None:
    document = RecipeDocument.load(write_recipe(tmp_path, "mine"))
    document.use_data(write_data(tmp_path))
    async with flown((120, 40)) as (app, pilot):
        app.post_message(EditRecipe(document))
        await until(pilot, lambda: isinstance(app.screen, EditorScreen))
        form = app.screen.query_one(RecipeForm)
        await until(pilot, lambda: form.focused_path == "data.sources.0.name_or_path")
        await until(pilot, lambda: "embedded:pirate" in shown(app) and "rows.jsonl" in shown(app))


async def test_rare_fields_come_with_a_key_and_numbers_stand_one_above_the_other(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine"), (80, 24)) as (app, pilot, screen):
        await go_to(pilot, screen, "training.max_steps")
        names = ("per_device_train_batch_size", "max_steps", "learning_rate", "seed")
        rows = [re.search(rf"^│ +{name} +(\S+)", shown(app), re.MULTILINE) for name in names]
        assert [row and row[1] for row in rows] == [screen.draft.text(f"training.{name}") for name in names]
        assert len({len(row[0]) for row in rows if row}) == 1
        assert "weight_decay" not in shown(app)
        await pilot.press("f9")
        await until(pilot, lambda: "weight_decay" in shown(app))
        assert "more fields" not in shown(app)
        await go_to(pilot, screen, "training.metric_for_best_model")
        await pilot.press("f9")
        await until(pilot, lambda: "weight_decay" not in shown(app))
        await until(pilot, lambda: screen.query_one(RecipeForm).focused_path == "method")
        await pilot.click(next(line for line in screen.query(MoreFields) if line.region.height))
        await until(pilot, lambda: "weight_decay" in shown(app))


async def test_a_field_that_changes_nothing_says_why(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine")) as (app, pilot, screen):
        await go_to(pilot, screen, "training.num_train_epochs")
        await until(pilot, lambda: "Changes nothing here: training.max_steps is set." in shown(app))
        row = next(row for row in screen.query(FieldRow) if row.field.path == "training.num_train_epochs")
        assert row.control.has_class("-moot")
        await go_to(pilot, screen, "training.max_steps")
        await pilot.press("delete")
        await until(pilot, lambda: not row.control.has_class("-moot"))
        assert "– by epochs" in shown(app)
