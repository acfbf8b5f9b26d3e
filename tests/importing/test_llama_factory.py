"""LLaMA-Factory's YAML: fields, registered datasets, what is not carried over."""

import json
from pathlib import Path

import pytest

from tests.importing.made import comments, imported, lost, recipe_of

CONFIG = """\
### model
model_name_or_path: owner/model-8b
quantization_bit: 4
double_quantization: false
trust_remote_code: true

### method
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 8
lora_target: q_proj,v_proj
additional_target: embed_tokens,lm_head
loraplus_lr_ratio: 16.0

### dataset
dataset: who, tools, papers
template: llama3
cutoff_len: 2048
max_samples: 1000
preprocessing_num_workers: 16
val_size: 0.1

### train
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
eval_strategy: steps
eval_steps: 500
save_steps: 250
report_to: wandb
output_dir: saves/model
brand_new_setting: 7
empty_setting:
"""
INFO = {
    "who": {"file_name": "identity.json"},
    "tools": {
        "file_name": "calls.json",
        "formatting": "sharegpt",
        "columns": {"messages": "dialog", "tools": "functions"},
        "tags": {"role_tag": "from", "content_tag": "value", "user_tag": "asker", "assistant_tag": "gpt"},
    },
    "papers": {"hf_hub_url": "owner/papers", "split": "train[:5%]", "columns": {"prompt": "content"}},
}


def test_every_setting_becomes_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset_info.json").write_text(json.dumps(INFO))
    made = imported(tmp_path, "examples/lora.yaml", CONFIG)
    recipe = recipe_of(made)
    assert (recipe.model.name_or_path, recipe.model.quantization) == ("owner/model-8b", "nf4")
    assert (recipe.model.dtype, recipe.model.max_seq_length) == ("bfloat16", 2048)
    assert (recipe.lora.r, recipe.lora.lora_alpha) == (8, 16)  # alpha is twice the rank there
    assert recipe.lora.target_modules == ["q_proj", "v_proj"]
    assert recipe.lora.modules_to_save == ["embed_tokens", "lm_head"]
    who, tools, papers = recipe.data.sources
    assert (who.name_or_path, who.format, who.max_rows) == ("./data/identity.json", "alpaca", 1000)
    assert (tools.format, tools.columns.messages, tools.columns.tools) == ("sharegpt", "dialog", "functions")
    assert (papers.name_or_path, papers.split, papers.format) == ("owner/papers", "train[:5%]", "text")
    assert papers.columns.text == "content"
    assert recipe.data.roles == {"asker": "user"}
    assert (recipe.data.chat_template, recipe.data.eval_share) == ("llama-3", 0.1)
    assert (recipe.training.learning_rate, recipe.training.warmup_ratio) == (1e-4, 0.1)
    assert (recipe.training.eval_steps, recipe.output.save_steps) == (500, 250)
    assert recipe.output.report_to == ["wandb"]
    assert lost(made) == {
        "loraplus_lr_ratio": "all weights of the adapter have one learning rate",
        "brand_new_setting": "cockpit has no such setting",
    }
    assert {"do_train", "preprocessing_num_workers", "eval_strategy", "output_dir"} == set(comments(made))
    assert "#   brand_new_setting: 7  -- cockpit has no such setting\n" in made.text
    assert made.text.startswith("# Imported from examples/lora.yaml (LLaMA-Factory): 28 of 30 settings carried over")


def test_what_it_does_unsaid_is_written_out(tmp_path: Path) -> None:
    made = imported(tmp_path, "short.yaml", "model_name_or_path: owner/m\nstage: sft\ndataset: rows.jsonl\n")
    recipe = recipe_of(made)
    training = recipe.training
    assert (training.num_train_epochs, training.learning_rate, training.per_device_train_batch_size) == (3.0, 5e-5, 8)
    assert (training.gradient_accumulation_steps, training.weight_decay, training.seed) == (1, 0.0, 42)
    assert (recipe.lora.r, recipe.lora.lora_alpha, recipe.lora.target_modules) == (8, 16, "all-linear")
    assert recipe.model.quantization == "none"
    assert recipe.data.sources[0].name_or_path == "rows.jsonl"
    assert "#   training.learning_rate: 5e-5\n" in made.text


def test_a_field_that_cannot_stand_with_the_others_is_taken_back(tmp_path: Path) -> None:
    text = "model_name_or_path: o/m\nstage: sft\nfinetuning_type: full\nquantization_bit: 4\neval_steps: 5\n"
    made = imported(tmp_path, "torn.yaml", f"{text}lora_rank: -1\n")
    assert recipe_of(made).finetuning_type == "lora"
    told = lost(made)
    assert told["finetuning_type"].startswith("finetuning_type: nf4 weights cannot be trained")
    assert "#   eval_steps: 5  -- no rows are held out to measure, there as here\n" in made.text
    assert told["lora_rank"] == "-1 is below the smallest value; give a whole number from 1 to 1024"


def test_plain_texts_are_learnt_whole(tmp_path: Path) -> None:
    made = imported(tmp_path, "pt.yaml", "model_name_or_path: o/m\nstage: pt\ndataset: owner/texts\nlora_target: all\n")
    recipe = recipe_of(made)
    assert (recipe.method, [source.format for source in recipe.data.sources]) == ("pretraining", ["text"])
    assert recipe.lora.target_modules == "all-linear"
