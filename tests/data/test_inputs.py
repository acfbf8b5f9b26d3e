"""What a recipe names on this disk, looked up once."""

from pathlib import Path

import pytest

from cockpit.data.inputs import Inputs, SourceInput
from cockpit.machine.gpu import GpuReport
from cockpit.models.folder import ModelFolder
from cockpit.paths import resolve
from cockpit.preflight.plan import Planner
from cockpit.recipe.data import Source
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.methods.method import MethodName
from tests.recording import RECIPE


def document() -> RecipeDocument:
    return RecipeDocument.parse(RECIPE, "recipe.yaml")


def test_a_plan_with_its_preflight_looks_at_each_input_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    at, found = ModelFolder.at, SourceInput.of

    def counted_source(source: Source, method: MethodName) -> SourceInput:
        looks.append("data")
        return found(source, method)

    def counted_at(path: Path) -> ModelFolder:
        looks.append("model")
        return at(path)

    monkeypatch.setattr(SourceInput, "of", counted_source)
    monkeypatch.setattr(ModelFolder, "at", counted_at)
    plan = Planner().plan(document().recipe(), GpuReport(), "recipe.yaml")
    assert (plan.data.rows is not None, plan.problems) == (True, ())
    assert sorted(looks) == ["data", "model"]


def test_embedded_names_lie_on_this_disk() -> None:
    inputs = Inputs.of(document().recipe())
    assert (inputs.model_path, inputs.model_error) == (Path(resolve("embedded:demo")), "")
    assert inputs.model is not None and inputs.model.model_type
    (source,) = inputs.sources
    assert (source.kind, source.path) == ("file", Path(resolve("embedded:pirate")))
    assert source.form is not None and not inputs.has_images


def test_what_is_wrong_with_a_source_is_kept_with_it(tmp_path: Path) -> None:
    (tmp_path / "odd.jsonl").write_text('{"left": 1, "right": 2}\n')
    for _ in range(2):  # the second time as it was found the first time
        found = SourceInput.of(Source(name_or_path=str(tmp_path / "odd.jsonl")))
        assert (found.kind, found.form, found.has_images) == ("file", None, False)
        assert "left" in str(found.error)


def test_a_name_of_the_hub_is_nothing_on_this_disk() -> None:
    changed = document()
    changed.use_model("owner/model")
    changed.use_data("owner/rows")
    inputs = Inputs.of(changed.recipe())
    assert (inputs.model_path, inputs.model, inputs.model_error) == (None, None, "")
    assert [(source.kind, source.form, source.error) for source in inputs.sources] == [("nothing", None, None)]


@pytest.mark.parametrize(("settings", "has_images"), [({}, False), ({"instruction": "What is this?"}, True)])
def test_images_of_a_dataset_on_the_hub_are_told_by_the_recipe(settings: dict[str, str], has_images: bool) -> None:
    assert SourceInput.of(Source(name_or_path="owner/rows", **settings)).has_images is has_images  # type: ignore[arg-type]
