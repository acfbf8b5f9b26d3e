"""Scripts and notebooks: the calls' arguments become fields, whatever way the program takes to them."""

import json
from pathlib import Path
from typing import Any

import pytest

from cockpit.recipe.library import find_recipe
from tests.importing.made import comments, fields, imported, lost, recipe_of
from tests.importing.walkthroughs import OVERVIEW, QWEN, WALKTHROUGHS

NOT_SAID = {"about.title", "about.description", "about.needs", "about.duration", "training.fit"}
"""What no script says."""
OTHERWISE: dict[str, dict[str, Any]] = {
    "gemma-3-4b": {
        "model.name_or_path": "/models/gemma-3-4b-it",  # a folder of that server, and its second GPU
        "hardware.gpu": "1",
        "output.logging_dir": "./logs",
        "training.pad_to_multiple_of": None,  # added to the recipe when it was measured
        "chat.trial_prompt": "",  # the script asks nothing
        "chat.presets.0.temperature": 0.7,
        "chat.presets.0.top_p": 0.8,
        "chat.presets.0.top_k": 20,
    },
    "qwen3-8b": {},
    "gemma-3-4b-vision": {
        "data.sources.0.max_rows": None,  # added to the recipe, so that not all images are measured first
        "chat.trial_prompt": "",
        "chat.presets.0.temperature": 0.7,
        "chat.presets.0.top_p": 0.8,
        "chat.presets.0.top_k": 20,
    },
    "llama-3-8b": {
        "chat.trial_prompt": "",
        "chat.presets.0.temperature": 0.7,
        "chat.presets.0.top_p": 0.8,
        "chat.presets.0.top_k": 20,
    },
}
"""Where script and shipped recipe say different things, by the recipe: what the script's comes to."""


@pytest.mark.parametrize("name", WALKTHROUGHS)
def test_a_walkthrough_becomes_the_recipe_that_was_made_of_it(tmp_path: Path, name: str) -> None:
    made = imported(tmp_path, f"{name}.py", WALKTHROUGHS[name])
    found, shipped = fields(recipe_of(made)), fields(find_recipe(name).recipe())
    expected = {**shipped, **OTHERWISE[name]}
    assert {path: found.get(path) for path in expected if path not in NOT_SAID} == {
        path: value for path, value in expected.items() if path not in NOT_SAID
    }
    assert not set(found) - set(expected)
    assert lost(made) == {}


def test_a_notebook_gives_the_same_as_the_script(tmp_path: Path) -> None:
    script = imported(tmp_path, "qwen.py", QWEN)
    cells = ["%%capture\n!pip install unsloth", *(f"{part}\n" for part in QWEN.split("\n\n")), "!nvidia-smi\ntrainer"]
    source = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    notebook = {"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "# Title"}, *source]}
    made = imported(tmp_path, "qwen.ipynb", json.dumps(notebook))
    about = ("about.title", "about.description")
    one, other = fields(recipe_of(made)), fields(recipe_of(script))
    assert {path: value for path, value in one.items() if path not in about} == {
        path: value for path, value in other.items() if path not in about
    }


def test_a_marimo_notebook_is_read_through_its_cells(tmp_path: Path) -> None:
    parts = [part for part in OVERVIEW.split("\n") if part]
    body = "\n".join(f"    {line}" for line in parts)
    text = f"import marimo\napp = marimo.App()\n\n@app.cell\ndef _():\n{body}\n    return\n"
    recipe = recipe_of(imported(tmp_path, "cells.py", text))
    assert (recipe.model.name_or_path, recipe.training.max_steps) == ("unsloth/llama-3-8b-bnb-4bit", 60)
    assert recipe.data.sources[0].file == "unified_chip2.jsonl"


PROGRAM = """
import argparse
from dataclasses import dataclass
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer

@dataclass
class Settings:
    rate: float = 1e-4
    rank: int = 8 * 4

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=float, default=2.0)
parser.add_argument("--base_model", default="owner/base")
parser.add_argument("--pack", action="store_true")

def load(name):
    four = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype="bfloat16")
    return AutoModelForCausalLM.from_pretrained(name, quantization_config=four, device_map="auto")

def rows(path, held=0.1):
    return load_dataset("json", data_files=path, split="train").train_test_split(test_size=held, seed=7)

def main():
    args, settings = parser.parse_args(), Settings()
    model = load(args.base_model)
    data = rows("train.jsonl")
    common = dict(learning_rate=settings.rate, num_train_epochs=args.epochs, packing=args.pack, weird=3)
    config = SFTConfig(**common, eval_strategy="steps", eval_steps=50, seed=len("abc"), max_length=compute())
    peft = LoraConfig(r=settings.rank, lora_alpha=2 * settings.rank, target_modules="all-linear", task_type="CAUSAL_LM")
    SFTTrainer(model, args=config, peft_config=peft, train_dataset=data["train"], eval_dataset=data["test"]).train()

if __name__ == "__main__":
    main()
"""


def test_values_are_followed_through_functions_classes_and_options(tmp_path: Path) -> None:
    made = imported(tmp_path, "program.py", PROGRAM)
    recipe = recipe_of(made)
    assert (recipe.backend, recipe.model.name_or_path, recipe.model.quantization) == (
        "transformers",
        "owner/base",
        "nf4",
    )
    assert (recipe.lora.r, recipe.lora.lora_alpha, recipe.lora.target_modules) == (32, 64, "all-linear")
    training = recipe.training
    assert (training.learning_rate, training.num_train_epochs, training.packing) == (1e-4, 2.0, False)
    assert (training.eval_steps, training.seed) == (50, 3)
    assert (recipe.data.sources[0].name_or_path, recipe.data.eval_share, recipe.data.seed) == ("train.jsonl", 0.1, 7)
    assert lost(made) == {
        "SFTConfig(weird)": "cockpit has no such setting",
        "SFTConfig(max_length)": "the program works its value out",
    }


def test_nothing_of_a_script_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    imported(tmp_path, "hostile.py", f"open({str(mark)!r}, 'w').write('x')\nimport os\nos.mkdir('x')\n{OVERVIEW}")
    assert not mark.exists()


def test_a_token_of_the_hub_is_not_written_down(tmp_path: Path) -> None:
    secret = "hf_" + "a" * 30
    text = OVERVIEW.replace("dtype=None", f"token={secret!r}").replace("trainer.train()", f"HF_TOKEN = {secret!r}")
    made = imported(tmp_path, "secret.py", f"import os\nos.environ['HF_TOKEN'] = {secret!r}\n{text}")
    assert secret not in made.text
    assert "from_pretrained(token)" in comments(made)


def test_words_around_the_columns_are_told_of(tmp_path: Path) -> None:
    words = "def to_text(row):\n    return {'text': f'Q: {row[\"question\"]} A: {row[\"answer\"]}'}\n"
    text = OVERVIEW.replace(
        "model, tokenizer =", f"{words}dataset = dataset.map(to_text).filter(len)\nmodel, tokenizer ="
    )
    made = imported(tmp_path, "words.py", text)
    assert "what it makes of question, answer is not known here" in lost(made).values()
    assert any(why.startswith("cockpit leaves rows out by duplicates") for why in lost(made).values())


CLASSES = """
class Run:
    rank = 24
    def __init__(self, name, rate=3e-5):
        self.name, self.rate = name, rate
        self.data = load_dataset("json", data_files={"train": "train.jsonl", "validation": "held.jsonl"})

    def load(self):
        self.model, _ = FastLanguageModel.from_pretrained(self.name, load_in_4bit=False)
        self.model = FastLanguageModel.get_peft_model(self.model, r=self.rank)

    def train(self):
        self.load()
        args = SFTConfig(learning_rate=self.rate, max_steps=self.steps)
        rows, held = self.data["train"], self.data["validation"]
        SFTTrainer(self.model, train_dataset=rows, eval_dataset=held, args=args).train()
"""


@pytest.mark.parametrize("call", ["Run('owner/model').train()", ""])
def test_classes_are_read_whether_the_program_uses_them_or_another_does(tmp_path: Path, call: str) -> None:
    text = CLASSES if call else CLASSES.replace("self.name, load", "'owner/model', load")
    made = imported(tmp_path, "classes.py", f"{text}\n{call}\n")
    recipe = recipe_of(made)
    assert (recipe.model.name_or_path, recipe.model.quantization) == ("owner/model", "none")
    assert (recipe.training.learning_rate, recipe.lora.r) == (3e-5, 24)
    assert recipe.data.sources[0].name_or_path == "train.jsonl"
    assert recipe.data.validation is not None and recipe.data.validation.name_or_path == "held.jsonl"
    assert lost(made)["SFTConfig(max_steps)"] == "the program works its value out"


OWN = """
from datasets import Dataset
from trl import SFTConfig, SFTTrainer
from unsloth import FastLanguageModel

class Quieter(SFTTrainer):
    def evaluate(self, *args, **kwargs):
        return {}

class Quietest(Quieter):
    pass

model, tokenizer = FastLanguageModel.from_pretrained("owner/model", max_seq_length=1024)
trainer = Quietest(model=model, train_dataset=Dataset.from_json("rows.jsonl"), processing_class=tokenizer,
                   args=SFTConfig(max_steps=10, dataset_kwargs={"skip_prepare_dataset": True}))
"""


def test_a_trainer_and_tokens_of_the_programs_own_are_told(tmp_path: Path) -> None:
    """The trainer is known by what it is made of; what of the rows is learnt nobody can read off."""
    made = imported(tmp_path, "own.py", OWN)
    assert recipe_of(made).method == "sft"
    assert recipe_of(made).data.train_on == "answers"
    named = lost(made)
    assert named["class Quietest(SFTTrainer)"] == "what it does otherwise is its own"
    assert named["SFTConfig(dataset_kwargs)"].endswith("set data.train_on as it does")
