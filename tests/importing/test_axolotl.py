"""Axolotl's YAML: fields, datasets of all types, what is not carried over."""

from pathlib import Path

import pytest

from cockpit.importing.axolotl import ends_of_pattern
from cockpit.importing.gpus import AS_STARTED
from tests.importing.made import comments, imported, lost, recipe_of

CONFIG = """\
base_model: owner/model-4b
processor_type: AutoProcessor
load_in_8bit: false
load_in_4bit: true
strict: false
chat_template: gemma3
datasets:
  - path: owner/talk
    type: chat_template
    split: train[:10%]
    field_messages: dialog
    message_property_mappings: {role: from, content: value}
    roles: {assistant: [gpt, model], user: [human, customer]}
    roles_to_train: [assistant]
  - path: owner/questions
    type: alpaca_w_system.load_open_orca
    data_files: part.parquet
    shards: 3
val_set_size: 0.01
adapter: qlora
lora_r: 32
lora_alpha: 16
lora_dropout: 0.05
lora_target_modules: 'model.language_model.layers.[\\d]+.(mlp|self_attn).(up|down|q|k)_proj'
sequence_len: 2048
sample_packing: true
pad_to_sequence_len: true
micro_batch_size: 2
batch_size: 16
num_epochs: 4
optimizer: adamw_bnb_8bit
lr_scheduler: cosine
cosine_min_lr_ratio: 0.1
learning_rate: 0.0002
warmup_steps: 10
weight_decay: 0.0
bf16: auto
tf32: true
gradient_checkpointing: true
gradient_checkpointing_kwargs: {use_reentrant: true}
plugins:
  - axolotl.integrations.liger.LigerPlugin
liger_rope: true
wandb_project: mine
evals_per_epoch: 4
flash_attention: true
dataset_exact_deduplication: true
special_tokens: {pad_token: "<pad>"}
fsdp: [full_shard]
unheard_of: 1
wandb_entity:
"""


def test_every_setting_becomes_something(tmp_path: Path) -> None:
    made = imported(tmp_path, "qlora.yml", CONFIG)
    recipe = recipe_of(made)
    assert (recipe.finetuning_type, recipe.model.quantization, recipe.model.max_seq_length) == ("lora", "nf4", 2048)
    assert recipe.lora.target_modules == ["up_proj", "down_proj", "q_proj", "k_proj"]
    assert (recipe.lora.r, recipe.lora.lora_alpha, recipe.lora.lora_dropout) == (32, 16, 0.05)
    talk, questions = recipe.data.sources
    assert (talk.name_or_path, talk.split, talk.format) == ("owner/talk", "train[:10%]", "sharegpt")
    assert talk.columns.messages == "dialog"
    assert (questions.file, questions.columns.prompt) == ("part.parquet", "question")
    assert (questions.columns.system, questions.columns.completion) == ("system_prompt", "response")
    assert recipe.data.roles == {"customer": "user"}
    assert (recipe.data.chat_template, recipe.data.eval_share, recipe.data.duplicates) == ("gemma-3", 0.01, "drop")
    training = recipe.training
    assert (training.per_device_train_batch_size, training.gradient_accumulation_steps) == (2, 8)
    assert (training.packing, training.pad_to_multiple_of, training.num_train_epochs) == (True, None, 4)
    assert training.lr_scheduler_type == "cosine_with_min_lr"
    assert training.lr_scheduler_kwargs is not None and training.lr_scheduler_kwargs.min_lr_rate == 0.1
    assert (training.optim, training.gradient_checkpointing, training.seed) == ("adamw_8bit", "reentrant", 42)
    assert recipe.output.report_to == ["wandb"]
    assert lost(made) == {
        "datasets.1.shards": "see max_rows of a source",
        "fsdp": AS_STARTED,
        "unheard_of": "cockpit has no such setting",
    }
    assert "wandb_entity" not in comments(made)  # an empty setting says nothing


@pytest.mark.parametrize(
    ("kind", "form", "template"),
    [
        ("alpaca", "alpaca", "alpaca"),
        ("completion", "text", "model"),
        ("jeopardy", "prompt_completion", "model"),
        ("sharegpt", "sharegpt", "model"),
        ("chat_template", "auto", "model"),
    ],
)
def test_types_of_rows(tmp_path: Path, kind: str, form: str, template: str) -> None:
    text = f"base_model: o/m\nadapter: lora\ndatasets:\n  - path: rows.jsonl\n    type: {kind}\n"
    data = recipe_of(imported(tmp_path, "a.yml", text)).data
    assert (data.sources[0].format, data.chat_template) == (form, template)


def test_without_an_adapter_every_weight_is_trained(tmp_path: Path) -> None:
    made = imported(tmp_path, "fft.yml", "base_model: o/m\nload_in_8bit: true\nlearning_rate: 2e-5\n")
    recipe = recipe_of(made)
    assert (recipe.finetuning_type, recipe.model.quantization) == ("full", "none")
    assert lost(made) == {"load_in_8bit": "weights that are all trained cannot be quantised"}
    assert (recipe.training.learning_rate, recipe.training.lr_scheduler_type) == (2e-5, "cosine")


def test_types_of_ones_own(tmp_path: Path) -> None:
    text = (
        "base_model: o/m\nadapter: lora\ndatasets:\n  - path: rows.jsonl\n    type:\n      field_instruction: ask\n"
        "      field_output: tell\n      format: '[INST] {instruction} [/INST]'\n"
    )
    made = imported(tmp_path, "own.yml", text)
    source = recipe_of(made).data.sources[0]
    assert (source.format, source.columns.prompt, source.columns.completion) == ("prompt_completion", "ask", "tell")
    words = "the words around question and answer are those of the chat template"
    assert lost(made) == {"datasets.0.type.format": words}


def test_anchors_and_merges_are_read(tmp_path: Path) -> None:
    shared = "shared: &s {path: rows.jsonl, type: completion}\n"
    text = f"{shared}base_model: o/m\nadapter: lora\ndatasets:\n  - <<: *s\n    split: a\n"
    source = recipe_of(imported(tmp_path, "anchors.yml", text)).data.sources[0]
    assert (source.name_or_path, source.format, source.split) == ("rows.jsonl", "text", "a")


def test_patterns_of_layers() -> None:
    assert ends_of_pattern(r"layers.[\d]+.(mlp|self_attn).(up|q)_proj") == ["up_proj", "q_proj"]
    assert ends_of_pattern(r"model\.layers\.\d+\.o_proj$") == ["o_proj"]
    assert ends_of_pattern(r"layers.*") == []
