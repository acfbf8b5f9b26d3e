"""The form's widgets, each mounted alone: given values, they show them and tell what is done to them."""

from collections.abc import Callable
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from cockpit.recipe.fields import FormField, form_fields
from cockpit.ui.themes import DARK
from cockpit.ui.widgets.change_list import Change, ChangeList
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.entry import Entry, one_line
from cockpit.ui.widgets.field_help import FieldHelp
from cockpit.ui.widgets.field_row import FieldRow, bounds_text, help_text
from cockpit.ui.widgets.group_tabs import GroupTabs
from cockpit.ui.widgets.recipe_form import RecipeForm
from tests.ui.engines import shown
from tests.ui.waiting import resized, until


class Bench(App[None]):
    """Mounts one widget and keeps the messages that it posts."""

    def __init__(self, make: Callable[[], Widget]) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self._make = make
        self.told: list[Any] = []

    def compose(self) -> ComposeResult:
        yield self._make()

    def on_field_row_edited(self, message: FieldRow.Edited) -> None:
        self.told.append((message.path, message.text))

    def on_choice_changed(self, message: Choice.Changed) -> None:
        self.told.append(message.value)

    def on_group_tabs_chosen(self, message: GroupTabs.Chosen) -> None:
        self.told.append((message.group, message.enter))


def field(path: str) -> FormField:
    return next(one for one in form_fields() if one.path == path)


async def test_entry_shows_no_escapes_and_no_second_line() -> None:
    app = Bench(lambda: Entry("a\x1b[31mb\nc"))
    async with app.run_test() as pilot:
        entry = app.query_one(Entry)
        assert entry.value == "ab\\nc"
        entry.value = "\x1b]2;title\x07x"
        await pilot.pause()
        assert entry.value == "x"


async def test_entry_shows_the_beginning_of_its_text_unless_somebody_types_there() -> None:
    app = Bench(lambda: Vertical(Entry("other"), Entry("begins, goes on and on, ends")))
    async with app.run_test(size=(20, 4)) as pilot:
        other, entry = app.query(Entry)

        def seen() -> str:
            return entry.render_line(0).text.strip()

        await until(pilot, lambda: seen().startswith("begins"))
        entry.focus()
        await until(pilot, lambda: seen().endswith("ends"))
        app.app_focus = False
        await pilot.pause()
        app.app_focus = True
        await pilot.pause()
        assert seen().endswith("ends"), "the terminal is back, where somebody typed"
        other.focus()
        await until(pilot, lambda: seen().startswith("begins"))
        entry.value = "put there, and too long for it"
        await pilot.pause()
        assert seen().startswith("put there")


@pytest.mark.parametrize(("text", "line"), [("a  b", "a  b"), ("a\r\nb", "a\\nb"), ("\x00", ""), ("é…", "é…")])
def test_one_line_keeps_blanks_and_letters(text: str, line: str) -> None:
    assert one_line(text) == line


async def test_choice_goes_round_and_takes_letters() -> None:
    app = Bench(lambda: Choice(("none", "nf4", "int8"), "none"))
    async with app.run_test() as pilot:
        app.query_one(Choice).focus()
        await pilot.press("right", "right", "right", "left", "n")
        assert app.told == ["nf4", "int8", "none", "int8", "none"]


async def test_choice_shows_all_values_where_there_is_room() -> None:
    app = Bench(lambda: Choice(("none", "nf4", "int8"), "nf4"))
    async with app.run_test(size=(40, 3)) as pilot:
        assert "○ none  ● nf4  ○ int8" in shown(app)
        await resized(pilot, 16, 3)
        await pilot.pause()
        assert "◂ nf4 ▸" in shown(app)


async def test_choice_takes_clicks_on_a_value() -> None:
    app = Bench(lambda: Choice(("none", "nf4", "int8"), "none"))
    async with app.run_test(size=(40, 3)) as pilot:
        await pilot.click(Choice, offset=(20, 0))
        assert app.told == ["int8"]
        await pilot.click(Choice, offset=(2, 0))
        assert app.told == ["int8", "none"]


@pytest.mark.parametrize("path", [one.path for one in form_fields() if one.unit])
async def test_units_are_shown_whole_on_a_small_terminal(path: str) -> None:
    app = Bench(lambda: FieldRow(field(path), "1"))
    async with app.run_test(size=(76, 3)):
        line = app.query_one(FieldRow).render().plain
        assert line.endswith(f" {field(path).unit}") and len(line) <= 76


async def test_field_row_tells_what_is_typed_and_shows_unit_mark_and_error() -> None:
    app = Bench(lambda: FieldRow(field("model.max_seq_length"), "2048"))
    async with app.run_test(size=(60, 6)) as pilot:
        row = app.query_one(FieldRow)
        row.control.focus()
        await pilot.press("9")
        assert app.told == [("model.max_seq_length", "9")]
        row.set_state(is_changed=True, error="9 is below the smallest value; give a whole number from 16 to 1048576")
        await pilot.pause()
        text = shown(app)
        assert "* max_seq_length" in text
        assert "tokens" in text
        assert "✗ 9 is below the smallest value" in text
        assert row.size.height == 3
        row.set_state(is_changed=False, error="")
        await until(pilot, lambda: row.size.height == 1)
        assert "✗" not in shown(app)


async def test_field_row_tells_nothing_of_texts_that_it_is_given() -> None:
    app = Bench(lambda: FieldRow(field("lora.r"), "16"))
    async with app.run_test() as pilot:
        app.query_one(FieldRow).show_text("32")
        await pilot.pause()
        assert app.query_one(FieldRow).text == "32"
        assert app.told == []


def test_bounds_are_words() -> None:
    assert bounds_text(field("lora.r")) == "whole number from 1 to 1,024"
    assert bounds_text(field("lora.lora_dropout")) == "number from 0 and below 1"
    assert bounds_text(field("training.learning_rate")) == "number above 0 to 1"
    assert bounds_text(field("lora.target_modules")) == "names with commas between, or all-linear"
    assert bounds_text(field("model.quantization")) == ""


def test_help_ends_with_the_default() -> None:
    assert help_text(field("lora.r")).endswith("· default 16")
    assert help_text(field("model.bnb_4bit_use_double_quant")).endswith("· default on")


async def test_help_that_does_not_fit_says_so() -> None:
    app = Bench(FieldHelp)
    async with app.run_test(size=(20, 10)) as pilot:
        help = app.query_one(FieldHelp)
        help.styles.height = 2
        help.show("r", "How much the adapter can learn.")
        await until(pilot, lambda: shown(app).splitlines()[:3] == ["r  How much the", "adapter can learn.", ""])
        help.show("r", "How much the adapter can learn. Start at 8.")
        await until(pilot, lambda: shown(app).splitlines()[:3] == ["r  How much the", "adapter can learn.…", ""])
        await resized(pilot, 60, 10)
        await until(pilot, lambda: shown(app).splitlines()[0] == "r  How much the adapter can learn. Start at 8.")
        help.show()
        await until(pilot, lambda: not shown(app).strip())


async def test_form_builds_a_group_when_it_is_shown() -> None:
    groups = {"LoRA": [field("lora.r"), field("lora.bias")], "Data": [field("data.seed")]}
    texts = {"lora.r": "16", "lora.bias": "none", "data.seed": "42"}
    app = Bench(lambda: RecipeForm(groups, texts.__getitem__, lambda _: "", lambda _: None))
    async with app.run_test() as pilot:
        form = app.query_one(RecipeForm)
        await form.show_group("LoRA")
        form.focus_field("lora.r")
        await pilot.pause()
        assert form.focused_path == "lora.r"
        assert form.step(1)
        await pilot.pause()
        assert form.focused_path == "lora.bias"
        assert not form.step(1)
        await form.show_group("Data")
        assert [row.field.path for row in app.query(FieldRow) if row.display and row.parent.display] == ["data.seed"]  # type: ignore[union-attr]
        texts["lora.r"] = "99"
        form.refresh_texts()
        assert next(row.text for row in app.query(FieldRow) if row.field.path == "lora.r") == "99"


async def test_tabs_stand_in_a_column_or_in_a_row() -> None:
    app = Bench(lambda: GroupTabs(["Model", "LoRA"], "Plan"))
    async with app.run_test(size=(40, 10)) as pilot:
        tabs = app.query_one(GroupTabs)
        tabs.chosen = "LoRA"
        tabs.set_counts({"LoRA": (2, 1)})
        await pilot.pause()
        assert "▸ LoRA" in shown(app)
        assert "*2 ✗1" in shown(app)
        assert "Plan" not in shown(app)
        tabs.styles.height = 1
        await pilot.pause()
        assert "Plan" in shown(app).splitlines()[0]
        tabs.focus()
        await pilot.press("right", "enter")
        assert app.told == [("Plan", False), ("LoRA", True)]
        await pilot.click(GroupTabs, offset=(2, 0))
        assert app.told[-1] == ("Model", False)


async def test_change_list_shows_was_and_now_and_errors_as_text() -> None:
    app = Bench(ChangeList)
    async with app.run_test(size=(60, 10)) as pilot:
        assert "Nothing is changed." in shown(app)
        changes = [Change("lora.r", "16", "32"), Change("data.sources.0.name_or_path", "a", "[b]x\x1b[5m")]
        app.query_one(ChangeList).show(changes, {"schema": "is missing"})
        await pilot.pause()
        text = shown(app)
        assert "✗ schema: is missing" in text
        assert "16 → 32" in text
        assert "a → [b]x" in text


@pytest.mark.parametrize("path", ["training.greater_is_better", "lora.loftq_config.loftq_bits"])
async def test_a_choice_that_may_be_left_empty_can_be_emptied_again(path: str) -> None:
    app = Bench(lambda: FieldRow(field(path), ""))
    async with app.run_test(size=(80, 3)) as pilot:
        choice = app.query_one(Choice)
        choice.focus()
        assert "● –" in shown(app)
        await pilot.press("right")
        await until(pilot, lambda: len(app.told) == 1)
        await pilot.press("left")
        await until(pilot, lambda: len(app.told) == 2)
        assert app.told[0][1] and app.told[1] == (path, "")
