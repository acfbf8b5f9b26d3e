"""Kinds of training: what is known of each without torch, and that a recipe says something of its own one alone."""

import json
from pathlib import Path

import pytest

from cockpit.recipe.document import RecipeDocument, resolved_yaml
from cockpit.recipe.fields import form_fields
from cockpit.recipe.methods.method import Method
from cockpit.recipe.methods.registry import METHODS
from cockpit.recipe.schema import json_schema
from tests.recipe.sample import SAMPLE, Bad, checked

ENGINE = Path(__file__).parents[2] / "cockpit" / "engine" / "training"
PRETRAINING = {"method: sft": "method: pretraining", "format: messages": "format: text"}


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda one: one.name)
def test_a_method_is_a_file_on_each_side(method: Method) -> None:
    assert (ENGINE / f"{method.name}.py").is_file(), "the engine finds it by its name"
    known = [figure.name for figure in method.figures]
    assert {name for chart in method.charts for name in chart.figures} <= set(known)
    assert max([0, *(len(figure.label) for figure in method.figures)]) <= 14
    assert max([0, *(len(chart.title) for chart in method.charts)]) <= 24
    if (settings := method.settings) is not None:
        schema = json.loads(json_schema())
        own = {"if": {"required": [method.name]}, "then": {"properties": {"method": {"const": method.name}}}}
        assert own in schema["allOf"], "an editor offers the section where it counts"
        assert type(getattr(RecipeDocument.parse(SAMPLE, "sample.yaml").recipe(), method.name)) is settings
        shown = [field for field in form_fields() if field.methods == (method.name,)]
        assert {field.path.partition(".")[2] for field in shown} == set(settings.model_fields)


def test_a_recipe_without_a_method_is_sft_and_is_written_as_ever() -> None:
    text = SAMPLE.replace("method: sft\n", "")
    recipe = RecipeDocument.parse(text, "old.yaml").recipe()
    assert recipe.method == "sft"
    sections = [line.partition(":")[0] for line in resolved_yaml(recipe).splitlines() if line[:1].isalpha()]
    assert not METHODS.keys() & set(sections), "an older cockpit reads what a run of sft has in its folder"


def test_of_the_methods_sections_the_chosen_one_is_written() -> None:
    text = SAMPLE
    for old, new in PRETRAINING.items():
        text = text.replace(old, new)
    recipe = RecipeDocument.parse(text, "texts.yaml").recipe()
    written = resolved_yaml(recipe)
    assert "\npretraining:\n  embedding_learning_rate:" in written
    assert RecipeDocument.parse(written, "again.yaml").recipe() == recipe


BAD = [
    Bad(
        "the section of another method",
        {"backend: unsloth": "pretraining: {embedding_learning_rate: 1e-5}\nbackend: unsloth"},
        ["14: pretraining.embedding_learning_rate: it is for method pretraining, and method is sft; leave it out, or "
         "give pretraining as method"],
    ),
    Bad(
        "conversations for pretraining",
        {"method: sft": "method: pretraining"},
        ["33: data.sources.0.format: pretraining does not learn from rows of the form messages; give auto or text"],
    ),
    Bad(
        "embeddings that are not trained",
        PRETRAINING | {"backend: unsloth": "pretraining: {embedding_learning_rate: 1e-5}\nbackend: unsloth"},
        ["14: pretraining.embedding_learning_rate: neither embeddings nor head are trained; name embed_tokens and "
         "lm_head in lora.modules_to_save, or leave it empty"],
    ),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_what_does_not_go_with_a_method(bad: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(bad, tmp_path, monkeypatch) == bad.says
