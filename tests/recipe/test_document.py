"""RecipeDocument: comments and order survive, changes are known, what was resolved is whole."""

from pathlib import Path

import pytest

from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.field_path import FieldPath, as_listed, dotted, parts
from cockpit.recipe.methods.registry import METHODS
from cockpit.recipe.problem import Problem, RecipeError
from cockpit.recipe.schema import all_places
from cockpit.ui.widgets.recipe_card import card_of_recipe
from tests.recipe.sample import SAMPLE


@pytest.fixture
def document() -> RecipeDocument:
    return RecipeDocument.parse(SAMPLE, "sample.yaml")


def test_unchanged_text_stays_as_it_is(document: RecipeDocument, tmp_path: Path) -> None:
    document.save(tmp_path / "copy.yaml")
    assert (tmp_path / "copy.yaml").read_text() == SAMPLE


def test_change_replaces_its_value_alone(document: RecipeDocument) -> None:
    document.set("lora.r", 32)
    document.set("lora.target_modules.0", "k_proj")
    expected = SAMPLE.replace("r: 16  # rank", "r: 32  # rank").replace("q_proj  # query", "k_proj  # query")
    assert document.to_yaml() == expected


def test_new_fields_stand_in_the_models_order(document: RecipeDocument) -> None:
    document.set("lora.bias", "all")
    document.set("lora.lora_dropout", 0.1)
    document.set("data.train_on", "all")
    document.set("output.save_steps", 10)
    document.set("about.title", "Another: one")
    expected = SAMPLE.replace("  lora_alpha: 32\n", "  lora_alpha: 32\n  lora_dropout: 0.1\n  bias: all\n").replace(
        "  eval_rows: 64\n", "  train_on: all\n  eval_rows: 64\n"
    )
    expected = expected.replace("title: A sample", 'title: "Another: one"') + "\noutput:\n  save_steps: 10\n"
    assert document.to_yaml() == expected


def test_list_keeps_its_layout(document: RecipeDocument) -> None:
    document.set("lora.target_modules", ["a", "b", "c"])
    expected = "    - a\n    - b\n    - c\n"
    assert document.to_yaml() == SAMPLE.replace("    - q_proj  # query\n    - v_proj\n", expected)


def test_changes_are_known_and_taken_back(document: RecipeDocument) -> None:
    document.set("training.seed", 7)
    document.set("lora.r", 8)
    document.set("lora.lora_alpha", 8)
    assert document.changed_fields() == ["lora.r", "lora.lora_alpha", "training.seed"]
    document.set("lora.r", 16)
    assert document.changed_fields() == ["lora.lora_alpha", "training.seed"]
    document.reset("lora")
    document.reset("training.seed")
    assert document.changed_fields() == []
    assert document.to_yaml() == SAMPLE


def test_default_that_is_not_written_stays_unwritten(document: RecipeDocument) -> None:
    document.set("training.seed", 3407)
    assert document.to_yaml() == SAMPLE


def test_refused_value_changes_nothing(document: RecipeDocument) -> None:
    with pytest.raises(RecipeError) as refused:
        document.set("lora.r", 0)
    assert refused.value.problems == [
        Problem("sample.yaml", None, "lora.r", "0 is below the smallest value", "give a whole number from 1 to 1024")
    ]
    assert document.value("lora.r") == 16
    assert document.changed_fields() == []


def test_value_that_does_not_fit_the_others_is_told_by_problems(document: RecipeDocument) -> None:
    document.set("training.warmup_ratio", 0.1)
    assert [problem.field for problem in document.problems()] == ["training.warmup_ratio"]
    document.set("training.warmup_steps", 0)
    assert document.problems() == []


def test_values_with_defaults(document: RecipeDocument) -> None:
    assert document.value("lora.r") == 16
    assert document.value("lora.bias") == "none"
    assert document.value("data.sources.0.split") == "train"
    assert document.value("chat.presets.0.name") == "chat"
    assert document.value("lora.loftq_config") is None
    assert document.value("data.sources.0.columns.prompt") is None
    with pytest.raises(KeyError):
        document.value("lora.rank")


def test_copy_goes_its_own_way(document: RecipeDocument) -> None:
    document.set("lora.r", 8)
    twin = document.copy()
    twin.set("lora.r", 64)
    assert (document.value("lora.r"), twin.value("lora.r")) == (8, 64)
    assert twin.changed_fields() == ["lora.r"]


def test_lines_of_fields(document: RecipeDocument) -> None:
    assert document.line("lora.r") == SAMPLE.split("\n").index("  r: 16  # rank") + 1
    assert document.line("lora.bias") == SAMPLE.split("\n").index("lora:") + 1
    document.set("lora.r", 8)
    assert document.line("lora.r") is None


def test_saved_document_is_unchanged_and_named_after_its_file(document: RecipeDocument, tmp_path: Path) -> None:
    document.set("lora.r", 8)
    document.save(tmp_path / "mine.yaml")
    assert (document.name, document.changed_fields()) == ("mine", [])
    assert RecipeDocument.load(tmp_path / "mine.yaml").value("lora.r") == 8
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


def test_failed_save_leaves_the_old_file(document: RecipeDocument, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").mkdir()
    document.set("lora.r", 8)
    with pytest.raises(OSError):
        document.save(tmp_path / "mine.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]
    assert document.changed_fields() == ["lora.r"]


def test_own_recipe_gets_the_schema_beside_it(document: RecipeDocument) -> None:
    from cockpit.paths import user_recipes_folder
    from cockpit.recipe.schema import json_schema

    document.save(user_recipes_folder() / "mine.yaml")
    assert (user_recipes_folder() / "recipe.schema.json").read_text() == json_schema()


def test_a_section_that_is_left_out_has_no_values_until_one_is_given(document: RecipeDocument) -> None:
    assert document.value("lora.loftq_config.loftq_bits") is None
    document.set("lora.loftq_config.loftq_bits", 4)
    loftq = document.recipe().lora.loftq_config
    assert loftq is not None and (loftq.loftq_bits, loftq.loftq_iter) == (4, 1)
    assert document.value("lora.loftq_config.loftq_iter") == 1
    assert document.changed_fields() == ["lora.loftq_config.loftq_bits"]
    document.reset("lora.loftq_config.loftq_bits")
    assert (document.recipe().lora.loftq_config, document.changed_fields()) == (None, [])


def is_left_out(path: FieldPath) -> bool:
    """Of other methods, or of a section that is left out whole."""
    return path[:2] == ("lora", "loftq_config") or path[0] in METHODS


def test_resolved_text_holds_every_field_and_means_the_same(document: RecipeDocument) -> None:
    document.set("lora.loftq_config", {"loftq_bits": 8})
    document.set("chat.trial_prompt", "Several\nlines, a: colon, and \x7f \u2028 🎉")
    document.set("data.response_part", "<bot>\n")
    resolved = RecipeDocument.parse(document.resolved_yaml(), "resolved")
    assert resolved.recipe() == document.recipe()
    written = [".".join(map(str, place.path)) for place in all_places() if not is_left_out(place.path)]
    assert [field for field in written if resolved.line(field) is None] == []
    assert RecipeDocument.parse(resolved.resolved_yaml(), "again").recipe() == document.recipe()


def test_resolved_paths_are_absolute(document: RecipeDocument, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("{}")
    Path("model").mkdir()
    document.use_data("rows.jsonl")
    document.use_model("./model")
    document.set("output.report_to", ["tensorboard"])
    document.set("output.logging_dir", "logs")
    resolved = RecipeDocument.parse(document.resolved_yaml(), "resolved").recipe()
    assert resolved.data.sources[0].name_or_path == str(tmp_path / "rows.jsonl")
    assert resolved.model.name_or_path == str(tmp_path / "model")
    assert resolved.output.logging_dir == str(tmp_path / "logs")
    document.use_model("owner/name")
    assert "name_or_path: owner/name" in document.resolved_yaml()


def test_every_path_of_a_recipe_is_absolute_where_it_is_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads it stands elsewhere: an engine in the run's folder, the queue, a search."""
    named = {
        "model.name_or_path": "./model", "model.adapter": "adapter", "data.sources.0.name_or_path": "rows.jsonl",
        "data.sources.1.name_or_path": "more", "data.replay.name_or_path": "./replay.jsonl",
        "data.validation.name_or_path": "held.jsonl", "output.logging_dir": "logs",
        "suite.learned.0.image": "cat.tiff", "suite.learned.1.messages.0.image": "dog.png",
        "suite.kept.0.image": "./cat.tiff", "suite.kept.1.messages.0.image": "pets/dog.png",
    }  # fmt: skip
    for folder in ("model", "adapter", "more"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    document = RecipeDocument.parse(SAMPLE.replace("  eval_rows: 64\n", ""), "sample.yaml")
    document.set("data.sources", [{"name_or_path": "a"}, {"name_or_path": "b"}])
    document.set("data.replay", {"name_or_path": "c"})
    document.set("data.validation", {"name_or_path": "d"})
    document.set("output.report_to", ["tensorboard"])
    checks = {"contains": ["x"]}
    talk = [{"role": "user", "content": "What?"}]
    for half in ("learned", "kept"):
        document.set(f"suite.{half}", [{"prompt": "What?", "checks": checks}, {"messages": talk, "checks": checks}])
    with_path = [place.path for place in all_places() if "path" in place.extra]
    assert {dotted(as_listed(parts(field))) for field in named} == {dotted(as_listed(path)) for path in with_path}
    for field, value in named.items():
        document.set(field, value)
    resolved = RecipeDocument.parse(document.resolved_yaml(), "resolved")
    assert {field: resolved.value(field) for field in named} == {
        field: str(tmp_path / value) for field, value in named.items()
    }


def test_names_are_no_paths_where_they_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    document = RecipeDocument.parse(SAMPLE.replace("  eval_rows: 64\n", ""), "sample.yaml")
    named = {
        "model.adapter": "last@20",
        "data.validation.name_or_path": "owner/rows",
        "data.replay.name_or_path": "o/r",
    }
    document.set("data.validation", {"split": "test"})
    document.set("data.replay", {"name_or_path": "embedded:pirate"})
    assert RecipeDocument.parse(document.resolved_yaml(), "resolved").recipe() == document.recipe()
    for field, value in named.items():
        document.set(field, value)
    assert RecipeDocument.parse(document.resolved_yaml(), "resolved").recipe() == document.recipe()


def test_own_data_replaces_all_sources() -> None:
    text = SAMPLE.replace(
        "      format: messages\n", "      format: text\n      columns: {text: body}\n    - name_or_path: b\n"
    )
    document = RecipeDocument.parse(text, "sample.yaml")
    document.use_data(Path("mine.json"))
    (source,) = document.recipe().data.sources
    assert (source.name_or_path, source.format, source.columns.text) == ("mine.json", "auto", None)
    assert document.recipe().data.eval_rows == 64


def test_own_model_has_no_revision_of_the_other() -> None:
    document = RecipeDocument.parse(SAMPLE.replace("  quantization: none", "  revision: v2"), "sample.yaml")
    document.use_model(Path("/models/mine"))
    assert document.recipe().model.name_or_path == "/models/mine"
    assert document.recipe().model.revision is None


def test_problem_is_one_plain_line() -> None:
    problem = Problem("x\x1b[31m.yaml", 3, "lora.\nr", "'\x1b]0;title\x07' is wrong", "")
    assert str(problem) == "x.yaml:3: lora. r: '' is wrong"


def test_a_field_under_its_old_name_is_read_with_its_meaning(tmp_path: Path) -> None:
    """In old recipes and run folders; saved, it has its name of today."""
    for old, new in (("true", "answers"), ("false", "all")):
        text = SAMPLE.replace("  eval_rows: 64\n", f"  train_on_responses_only:  {old}  # kept\n  eval_rows: 64\n")
        document = RecipeDocument.parse(text, "old.yaml")
        assert document.recipe().data.train_on == document.value("data.train_on") == new
        document.save(tmp_path / "new.yaml")
        expected = SAMPLE.replace("  eval_rows: 64\n", f"  train_on:  {new}  # kept\n  eval_rows: 64\n")
        assert (tmp_path / "new.yaml").read_text() == expected
        document.set_from_text(f"data.train_on_responses_only={old}")
        assert document.recipe().data.train_on == new


def test_an_old_name_with_another_value_or_beside_the_new_one_is_an_error() -> None:
    for lines in ("train_on_responses_only: maybe", "train_on_responses_only: true\n  train_on: all"):
        document = RecipeDocument.parse(
            SAMPLE.replace("  eval_rows: 64\n", f"  {lines}\n  eval_rows: 64\n"), "old.yaml"
        )
        assert [problem.field for problem in document.problems()] == ["data.train_on_responses_only"]


def test_a_recipe_of_a_model_and_rows_is_whole(tmp_path: Path) -> None:
    """Form, header and all else have values of their own."""
    file = tmp_path / "mine.yaml"
    file.write_text("model: {name_or_path: me/model}\ndata: {sources: [{name_or_path: rows.jsonl}]}\n")
    document = RecipeDocument.load(file)
    assert document.problems() == []
    recipe = document.recipe()
    assert (recipe.schema_, recipe.method, recipe.about.title, recipe.about.needs) == (1, "sft", "", "")
    card = card_of_recipe(recipe, None)
    assert card.title == "model"
    assert "needs" not in dict(card.facts)
