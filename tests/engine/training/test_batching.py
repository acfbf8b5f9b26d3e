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
    from cockpit.engine.data.prepare import prepare_data
    from cockpit.engine.model.loading import load_for_training
    from cockpit.engine.training.sft import make_trainer

    text = tiny.recipe_text(model, rows, backend="transformers", training__pad_to_multiple_of=multiple)
    recipe = RecipeDocument.parse(text, "tiny.yaml").recipe()
    loaded = load_for_training(recipe, lambda _: None)
    data = prepare_data(recipe, loaded.tokenizer, lambda _: None, lambda *_: None)
    settings: dict[str, Any] = {
        "output_dir": str(tmp_path),
        "use_cpu": True,
        "report_to": "none",
        "remove_unused_columns": False,
    }
    trainer = make_trainer(recipe, loaded, data, settings)
    batches = list(trainer.get_train_dataloader())
    assert {batch["input_ids"].shape[1] for batch in batches} == lengths
    assert {batch["labels"].shape for batch in batches} == {batch["input_ids"].shape for batch in batches}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"training__group_by_length": True},
        {"training__group_by_length": True, "training__gradient_accumulation_steps": 8},
        {"training__pad_to_multiple_of": 16},
        {"training__packing": True},
        {"training__padding_free": True},
    ],
    ids=str,
)
def test_figures_are_those_of_the_batches_that_a_trainer_makes(
    tmp_path: Path, model: Path, changes: dict[str, Any]
) -> None:
    """Tokens, trained tokens and padding, counted in the batches of one epoch of the real trainer."""
    from cockpit.engine.data.prepare import prepare_data
    from cockpit.engine.data.report import data_report
    from cockpit.engine.model.loading import load_for_training
    from cockpit.engine.training.sft import make_trainer

    rows = [{"messages": tiny.pair("z" * (1 + n % 5), "q" * (1 + n * 37 % 60))} for n in range(1200)]
    path = tiny.write_rows(tmp_path / "rows.jsonl", rows)
    text = tiny.recipe_text(model, path, backend="transformers", data__eval_rows=0, **changes)
    asked = RecipeDocument.parse(text.replace('"max_seq_length": 128', '"max_seq_length": 64'), "tiny.yaml").recipe()
    report = data_report(asked, "tiny", has_gpu=False)
    loaded = load_for_training(asked, lambda _: None)
    data = prepare_data(asked, loaded.tokenizer, lambda _: None, lambda *_: None)
    training = asked.training
    settings: dict[str, Any] = {
        "output_dir": str(tmp_path),
        "use_cpu": True,
        "report_to": "none",
        "remove_unused_columns": False,
        "per_device_train_batch_size": training.per_device_train_batch_size,
        "gradient_accumulation_steps": training.gradient_accumulation_steps,
        "seed": training.seed,
    }
    trainer = make_trainer(asked, loaded, data, settings)
    batches = list(trainer.get_train_dataloader())
    places = sum(batch["input_ids"].numel() for batch in batches)
    seen = [batch.get("attention_mask", batch["input_ids"] > -1) for batch in batches]
    tokens = sum(int(mask.sum()) for mask in seen)
    trained = sum(int((batch["labels"][..., 1:] != -100).sum()) for batch in batches)
    assert (report.tokens, report.trained_tokens) == (tokens, trained)
    assert 0 < report.truncated_rows < 1200
    assert report.padding_share == pytest.approx(1 - tokens / places, rel=0.1)
