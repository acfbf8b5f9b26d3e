"""A recipe -> the script that trains the same, as text or as a notebook"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from cockpit.ejecting.layout import comment, docstring, literal
from cockpit.ejecting.model_part import class_name, model_lines
from cockpit.ejecting.rows_part import rows_lines
from cockpit.ejecting.sides_training import TRAINERS
from cockpit.ejecting.training_part import is_plain_trainer, training_lines
from cockpit.recipe.recipe import Recipe

CELL = "# %%"
"""Begins a cell, for editors that run a script cell by cell."""


def script_of(recipe: Recipe, name: str, reasons: Mapping[str, str]) -> str:
    """The script. `name` is what the recipe, or the run, is called; `reasons` say by field why it is as it is. Raises
    UnreadableRows where none can be written for the rows."""
    rows = rows_lines(recipe)
    training = training_lines(recipe, reasons, name)
    environment = _environment(recipe)
    parts = [
        *_head(recipe, name),
        *_imports(recipe, "\n".join([*environment, *rows, *training]), environment),
        "",
        *_constants(recipe, reasons),
        "",
        f"{CELL} The model",
        "",
        *model_lines(recipe, reasons),
        "",
        f"{CELL} The rows",
        *rows,
        "",
        f"{CELL} Training",
        "",
        *training,
    ]
    return _tidied("\n".join(parts))


def notebook_of(script: str) -> str:
    """The script as a notebook, a cell for each of its parts."""
    cells: list[dict[str, object]] = []
    for part in script.split(f"\n{CELL} "):
        title, _, code = part.partition("\n")
        if not cells:
            title, code = "", part
        if title:
            cells.append({"cell_type": "markdown", "metadata": {}, "source": [f"## {title}"]})
        source = code.strip("\n").splitlines(keepends=True)
        cells.append({"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": source})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


def _head(recipe: Recipe, name: str) -> list[str]:
    stack = "unsloth and trl" if recipe.backend == "unsloth" else "transformers, peft and trl"
    same = "the same rows, learnt in the same places, in the same order"
    what = f"Trains what {name} trains: {same}. Needs {stack}."
    order = "Rows of like length come together, in another order than in cockpit, which draws it by epoch alone."
    more = [order] if recipe.training.group_by_length else []
    return [*docstring(recipe.about.title or name, what, *more), ""]


def _environment(recipe: Recipe) -> list[str]:
    """What is set before the stack is imported."""
    lines = []
    if recipe.hardware.gpu == "none":
        lines.append('os.environ["CUDA_VISIBLE_DEVICES"] = ""  # it is trained on the CPU')
    elif recipe.hardware.gpu != "auto":
        lines.append(f'os.environ["CUDA_VISIBLE_DEVICES"] = {literal(recipe.hardware.gpu)}')
    if not recipe.hardware.compile:
        lines.append('os.environ["UNSLOTH_COMPILE_DISABLE"] = os.environ["TORCHDYNAMO_DISABLE"] = "1"')
    if recipe.output.logging_dir and "tensorboard" in recipe.output.report_to:
        lines.append(f'os.environ["TENSORBOARD_LOGGING_DIR"] = {literal(recipe.output.logging_dir)}')
    return lines


def _imports(recipe: Recipe, rows: str, environment: list[str]) -> list[str]:
    names = [name for name in ("copy", "csv", "json", "os", "random") if re.search(rf"(?<![.\w]){name}\.", rows)]
    lines = [*(f"import {name}" for name in names), "", *environment, ""]
    if recipe.backend == "unsloth":
        names = [class_name(recipe)] + (["get_chat_template"] if recipe.data.chat_template != "model" else [])
        lines += [f"from unsloth import {', '.join(names)}  # first: it patches what is imported below", ""]
    if "np." in rows:
        lines.append("import numpy as np")
    lines += ["import torch", "from datasets import Dataset" + (", load_dataset" if "load_dataset(" in rows else "")]
    if recipe.backend == "transformers" and recipe.finetuning_type == "lora":
        kbit = ["prepare_model_for_kbit_training"] if recipe.model.quantization != "none" else []
        lines.append(f"from peft import {', '.join(['LoraConfig', 'get_peft_model', *kbit])}")
    names = []
    if recipe.backend == "transformers":
        names = ["AutoModelForCausalLM", "AutoTokenizer"]
        names += ["BitsAndBytesConfig"] if recipe.model.quantization != "none" else []
    plain = is_plain_trainer(recipe)
    names += ["Trainer", "TrainingArguments"] if plain else []
    names += ["EarlyStoppingCallback"] if recipe.training.early_stopping_patience is not None else []
    if names:
        lines.append(f"from transformers import {', '.join(sorted(names))}")
    if plain:
        lines.append("from trl.trainer.sft_trainer import DataCollatorForLanguageModeling")
    else:
        lines.append(TRAINERS.get(recipe.method, "from trl import SFTConfig, SFTTrainer"))
    return lines


def _constants(recipe: Recipe, reasons: Mapping[str, str]) -> list[str]:
    longest = min(recipe.training.max_length or recipe.model.max_seq_length, recipe.model.max_seq_length)
    lines = [*comment(reasons.get("training.max_length", "")), f"MAX_LENGTH = {longest}  # tokens of a row at most"]
    if (
        not recipe.kind.has_sides
        and recipe.data.long_rows in (None, "split")
        and any(source.format in ("text", "auto") for source in recipe.data.mixed().sources)
    ):
        overlap = max(1, longest // 8 if recipe.data.overlap is None else recipe.data.overlap)
        lines.append(
            f"OVERLAP = {overlap}  # tokens of the piece before, which the next piece of a long text begins with"
        )
    for name in ("cache_size_limit", "accumulated_cache_size_limit"):
        limit = getattr(recipe.hardware, f"dynamo_{name}")
        if limit is not None:
            why = comment(reasons.get(f"hardware.dynamo_{name}", ""))
            lines += [*why, f"torch._dynamo.config.{name} = {limit}"]
    return lines


def _tidied(text: str) -> str:
    """Two empty lines around each function and class, never more, and no blanks at a line's end."""
    kept: list[str] = []
    inside = False
    for line in (one.rstrip() for one in text.split("\n")):
        begins = line.startswith(("def ", "class "))
        if begins or (inside and line and not line.startswith((" ", ")", "}"))):
            while kept and not kept[-1]:
                kept.pop()
            kept += ["", ""]
        if line and not line.startswith((" ", ")", "}")):
            inside = begins
        if line or kept[-2:] != ["", ""]:
            kept.append(line)
    return "\n".join(kept).rstrip("\n") + "\n"
