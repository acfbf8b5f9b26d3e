"""How rows become batches: padded, and to what length."""

from pathlib import Path
from typing import Any

import pytest

from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny


@pytest.mark.parametrize(("multiple", "lengths"), [(32, {32}), (128, {128}), (1024, {128})])
def test_batches_are_padded_to_a_multiple(
    tmp_path: Path, model: Path, rows: Path, multiple: int, lengths: set[int]
) -> None:
    from cockpit.engine.batching import batching, make_trainer
    from cockpit.engine.data import prepare_data
    from cockpit.engine.loading import load_for_training

    text = tiny.recipe_text(model, rows, backend="transformers", training__pad_to_multiple_of=multiple)
    recipe = RecipeDocument.parse(text, "tiny.yaml").recipe()
    loaded = load_for_training(recipe, lambda _: None)
    data = prepare_data(recipe, loaded.tokenizer, lambda _: None, lambda *_: None)
    settings: dict[str, Any] = {"output_dir": str(tmp_path), "use_cpu": True, "report_to": "none"}
    trainer = make_trainer(recipe, loaded, data, settings | batching(recipe, loaded, data))
    batches = list(trainer.get_train_dataloader())
    assert {batch["input_ids"].shape[1] for batch in batches} == lengths
    assert {batch["labels"].shape for batch in batches} == {batch["input_ids"].shape for batch in batches}
