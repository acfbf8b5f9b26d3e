"""Draft: texts in, values, errors and changes out."""

from pathlib import Path

import pytest

from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.fields import form_fields
from cockpit.recipe.library import find_recipe
from cockpit.ui.editing.draft import Draft
from cockpit.ui.editing.field_offers import FieldOffers
from tests.ui.engines import write_recipe


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return Draft(RecipeDocument.load(write_recipe(tmp_path, "mine")))


def test_groups_come_in_the_forms_order(draft: Draft) -> None:
    assert draft.groups == ["Model", "LoRA", "Data", "Training", "Samples", "Watchdogs", "Output"]
    assert draft.fields_of("LoRA")[0].path == "lora.r"


def test_a_good_text_changes_the_recipe(draft: Draft) -> None:
    draft.type("lora.r", "32")
    assert draft.document.recipe().lora.r == 32
    assert [(change.path, change.was, change.now) for change in draft.changes()] == [("lora.r", "16", "32")]
    assert draft.changed() == {"lora.r"}
    assert draft.errors() == {}


def test_a_bad_text_changes_nothing_but_its_error(draft: Draft) -> None:
    draft.type("lora.r", "many")
    assert draft.text("lora.r") == "many"
    assert draft.document.value("lora.r") == 16
    assert "whole number" in draft.errors()["lora.r"]
    assert draft.recipe() is None
    draft.type("lora.r", "8")
    assert draft.errors() == {}
    recipe = draft.recipe()
    assert recipe is not None
    assert recipe.lora.r == 8


def test_a_mapping_is_a_text_of_names_and_values(draft: Draft) -> None:
    assert draft.text("data.roles") == ""
    draft.type("data.roles", "ai: assistant, me: user")
    assert draft.document.recipe().data.roles == {"ai": "assistant", "me": "user"}
    assert draft.text("data.roles") == "ai: assistant, me: user"
    draft.type("data.roles", "ai: nobody")
    assert "data.roles" in draft.errors()
    draft.type("data.roles", "")
    assert (draft.errors(), draft.document.value("data.roles")) == ({}, {})


def test_values_that_do_not_go_together_are_errors_too(draft: Draft) -> None:
    draft.type("training.warmup_ratio", "0.1")
    errors = draft.errors()
    assert any(path.startswith("training.warmup") for path in errors)
    assert draft.recipe() is None


def test_errors_come_in_the_forms_order(draft: Draft) -> None:
    draft.type("training.max_steps", "0")
    draft.type("lora.r", "0")
    assert list(draft.errors()) == ["lora.r", "training.max_steps"]


def test_settings_of_other_schedulers_are_left_out_unless_something_stands_there(draft: Draft) -> None:
    kwargs = "training.lr_scheduler_kwargs"
    settings = {path for path in draft.fields if path.startswith(kwargs)}
    of_methods = {path for path, field in draft.fields.items() if field.methods}
    assert draft.left_out() == settings | of_methods
    draft.type("training.lr_scheduler_type", "polynomial")
    assert settings - draft.left_out() == {f"{kwargs}.lr_end", f"{kwargs}.power"}
    draft.type(f"{kwargs}.power", "2")
    draft.type("training.lr_scheduler_type", "cosine")
    assert settings - draft.left_out() == {f"{kwargs}.num_cycles", f"{kwargs}.power"}
    assert draft.errors()[f"{kwargs}.power"].startswith("cosine has no such setting")


def test_the_fields_of_a_method_come_with_it_and_stay_where_something_stands_there(draft: Draft) -> None:
    rate = "pretraining.embedding_learning_rate"
    draft.type("method", "pretraining")
    assert rate not in draft.left_out()
    draft.type(rate, "1e-5")
    draft.type("method", "sft")
    assert rate not in draft.left_out()
    assert draft.errors()[rate].startswith("it is for method pretraining, and method is sft")


def test_reset_takes_text_and_value_back(draft: Draft) -> None:
    draft.type("lora.r", "nothing")
    draft.reset("lora.r")
    assert (draft.text("lora.r"), draft.errors(), draft.changes()) == ("16", {}, [])


def test_reset_all_takes_everything_back(draft: Draft) -> None:
    draft.type("lora.r", "x")
    draft.type("training.max_steps", "10")
    draft.type("model.quantization", "nf4")
    draft.reset_all()
    assert draft.changes() == []
    assert draft.errors() == {}
    assert draft.text("training.max_steps") == "300"


def test_the_same_number_written_otherwise_is_no_change(draft: Draft) -> None:
    draft.type("lora.lora_alpha", "16.0")
    assert draft.changes() == []


def test_an_empty_text_is_none_where_a_field_may_be_empty(draft: Draft) -> None:
    draft.type("training.max_steps", "")
    assert draft.document.value("training.max_steps") is None
    assert draft.changes()[0].now == "empty"
    draft.type("lora.r", "")
    assert "lora.r" in draft.errors()


def test_another_data_file_leaves_the_old_ones_columns_behind(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "mine", data="old.jsonl\n      format: alpaca\n      columns: {prompt: question}")
    draft = Draft(RecipeDocument.load(path))
    draft.type("data.sources.0.name_or_path", "mine.jsonl")
    assert draft.text("data.sources.0.format") == "auto"
    assert draft.text("data.sources.0.columns.prompt") == ""
    draft.type("data.sources.0.name_or_path", "old.jsonl")
    assert draft.text("data.sources.0.format") == "alpaca"
    assert draft.changes() == []


def test_a_form_that_the_person_chose_stays_with_another_file(draft: Draft) -> None:
    draft.type("data.sources.0.format", "text")
    draft.type("data.sources.0.name_or_path", "mine.txt")
    assert draft.text("data.sources.0.format") == "text"


def test_line_feeds_are_shown_and_typed_as_backslash_n(draft: Draft) -> None:
    draft.type("data.response_part", "<model>\\n")
    assert draft.document.value("data.response_part") == "<model>\n"
    assert draft.text("data.response_part") == "<model>\\n"


def test_escape_sequences_of_a_recipe_are_not_shown(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "mine", data='"\\e[31mred\\e[0m.jsonl"')
    draft = Draft(RecipeDocument.load(path))
    assert draft.text("data.sources.0.name_or_path") == "red.jsonl"
    assert draft.changes() == []


def test_saving_keeps_comments_and_makes_it_what_was_opened(draft: Draft, tmp_path: Path) -> None:
    draft.type("lora.r", "64")
    draft.saved(tmp_path / "own" / "wide.yaml")
    text = (tmp_path / "own" / "wide.yaml").read_text()
    assert text.startswith("# a comment that stays")
    assert "r: 64" in text
    assert draft.changes() == []
    assert draft.document.name == "wide"


def test_the_document_that_was_opened_is_left_alone(tmp_path: Path) -> None:
    document = RecipeDocument.load(write_recipe(tmp_path, "mine"))
    Draft(document).type("lora.r", "4")
    assert document.value("lora.r") == 16


def test_another_second_source_leaves_behind_what_belonged_to_the_one_before(tmp_path: Path) -> None:
    draft = Draft(find_recipe("qwen3-8b"))
    assert draft.text("data.sources.1.format") == "sharegpt"
    draft.type("data.sources.1.name_or_path", str(tmp_path / "mine.jsonl"))
    assert draft.text("data.sources.1.format") == "auto"
    assert draft.text("data.sources.1.ratio") == "0.25"
    assert draft.text("data.sources.0.split") == "cot"
    draft.type("data.sources.0.name_or_path", str(tmp_path / "other.jsonl"))
    assert draft.text("data.sources.0.split") == "train"


BITS, ROUNDS = "lora.loftq_config.loftq_bits", "lora.loftq_config.loftq_iter"


def test_a_section_is_put_in_by_one_of_its_fields_and_left_out_again_by_its_choice(draft: Draft) -> None:
    assert (draft.text(BITS), draft.text(ROUNDS)) == ("", "")
    assert draft.type(BITS, "8") == [ROUNDS]
    assert draft.text(ROUNDS) == "1"
    draft.type(ROUNDS, "many")
    assert set(draft.type(BITS, "")) == {BITS, ROUNDS}
    assert (draft.text(BITS), draft.text(ROUNDS), draft.errors(), draft.changes()) == ("", "", {}, [])


def test_what_is_wrong_with_a_section_stands_under_its_first_field(draft: Draft) -> None:
    draft.type("model.quantization", "nf4")
    draft.type(BITS, "4")
    assert list(draft.errors()) == [BITS] and "LoftQ" in draft.errors()[BITS]
    draft.type(BITS, "")
    assert draft.recipe() is not None


def test_a_wrong_element_of_a_list_is_named(draft: Draft) -> None:
    draft.type("output.report_to", "wandb, tensorbord")
    assert draft.errors()["output.report_to"].startswith("'tensorbord' is not one of the choices; did you mean tenso")


def test_data_that_came_with_the_opening_is_told_field_by_field() -> None:
    document = find_recipe("qwen3-8b")
    document.use_data("mine.jsonl")
    draft = Draft(document)
    changes = {change.path: (change.was, change.now) for change in draft.changes()}
    assert changes["data.sources"] == ("2 sources", "1 source")
    assert changes["data.sources.0.name_or_path"] == ("unsloth/OpenMathReasoning-mini", "mine.jsonl")
    assert changes["data.sources.0.columns.prompt"] == ("problem", "empty")
    assert "data.sources.0.name_or_path" in draft.changed()
    assert not any("{" in text for values in changes.values() for text in values)


def test_a_rare_field_is_in_sight_for_good_once_it_has_been_changed(draft: Draft) -> None:
    rare = draft.rarely_looked_at()
    assert "lora.use_dora" in rare and "lora.r" not in rare
    draft.type("lora.use_dora", "true")
    draft.type("training.weight_decay", "heavy")
    assert rare - draft.rarely_looked_at() == {"lora.use_dora", "training.weight_decay"}
    draft.reset_all()
    assert "lora.use_dora" not in draft.rarely_looked_at()


def test_what_fields_mean_stays_while_something_is_wrong(draft: Draft) -> None:
    assert draft.meaning()["training.max_length"].unset == str(draft.document.value("model.max_seq_length"))
    draft.type("model.max_seq_length", "64")
    assert draft.meaning()["training.max_length"].unset == "64"
    draft.type("model.max_seq_length", "long")
    assert draft.meaning()["training.max_length"].unset == "64"


def test_models_are_offered_with_size_and_place() -> None:
    offers = FieldOffers()(next(field for field in form_fields() if field.path == "model.name_or_path"))
    assert offers is not None
    found = {offer.value: offer.note for offer in offers("")}
    assert found["embedded:demo"] == "1.91 M parameters · ships with cockpit"
    assert found["unsloth/llama-3-8b-bnb-4bit"] == "8.03 B parameters · to be downloaded"
