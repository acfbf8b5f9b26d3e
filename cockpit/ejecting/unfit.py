"""What of a recipe no plain script is written for"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.data.inputs import trains_images
from cockpit.recipe.evaluation import ANSWER_METRICS
from cockpit.recipe.recipe import Recipe

METHODS = ("sft", "pretraining", "dpo", "orpo", "kto")


def unfit(recipe: Recipe) -> list[str]:
    """A sentence for each part of the recipe that a script of it would leave out; empty where there is none."""
    return [f"{field}: {wrong}; {right}." for field, wrong, right in _parts(recipe)]


def _parts(recipe: Recipe) -> Iterator[tuple[str, str, str]]:
    data, model, training, lora = recipe.data, recipe.model, recipe.training, recipe.lora
    if recipe.method not in METHODS:
        yield (
            "method",
            f"there is no script for {recipe.method} yet",
            f"scripts are written for {' and '.join(METHODS)}",
        )
    elif trains_images(recipe):
        yield "data.sources", "there is no script for rows with images yet", "give rows of text"
    if recipe.hardware.devices != 1:
        yield "hardware.devices", "a script trains in one process", "give 1"
    if recipe.hardware.nodes != 1:
        yield "hardware.nodes", "a script trains on one machine", "give 1"
    if model.adapter is not None:
        yield "model.adapter", "a script begins with a fresh adapter", "leave it empty"
    if model.add_tokens:
        yield "model.add_tokens", "a script adds no tokens", "leave it empty"
    if lora.init != "default":
        yield "lora.init", "a script starts the adapter as PEFT usually does", "give default"
    if lora.loftq_config is not None:
        yield "lora.loftq_config", "a script starts the adapter as PEFT usually does", "leave it empty"
    if recipe.backend == "transformers" and data.chat_template != "model":
        yield "data.chat_template", "a template by name is Unsloth's", "give model, or unsloth as backend"
    if data.keep_reasoning:
        yield "data.keep_reasoning", "a script writes what the template writes", "give false"
    if data.duplicates == "drop_near":
        yield "data.duplicates", "a script looks for equal rows alone", "give drop or keep"
    if data.duplicates == "drop" and recipe.kind.has_sides:
        yield "data.duplicates", "a script looks for equal answers in no data", "give keep"
    if data.long_rows == "split" and recipe.method == "sft":
        yield "data.long_rows", "a script splits plain texts alone", "leave it empty, or give truncate or drop"
    if data.response_part is not None and data.instruction_part is None:
        yield "data.response_part", "a script needs both marks", "give instruction_part too, or neither"
    if training.metric_for_best_model in ANSWER_METRICS and training.compares():
        yield "training.metric_for_best_model", "a script measures no answers", "give eval_loss"
    if recipe.method == "pretraining" and recipe.pretraining.embedding_learning_rate is not None:
        yield "pretraining.embedding_learning_rate", "a script has one learning rate", "leave it empty"
    for number, source in enumerate(data.mixed().sources):
        if source.format == "ranking":
            yield f"data.sources.{number}.format", "there is no script for ranked answers", "give preference pairs"
        if source.format == "auto" and _is_elsewhere(source.name_or_path):
            field = f"data.sources.{number}.format"
            yield field, "the rows are not on this disk, and auto looks at them", "give the form of the rows"


def _is_elsewhere(name_or_path: str) -> bool:
    from cockpit.paths import located

    path = located(name_or_path)
    return path is None or not path.exists()
