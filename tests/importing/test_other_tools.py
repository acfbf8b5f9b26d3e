"""Unsloth's command line, torchtune, ms-swift, a PEFT adapter, LLaMA-Factory's second form; preference pairs of all."""

import json
from pathlib import Path

import pytest

from tests.importing.made import comments, imported, lost, recipe_of

UNSLOTH = """\
model: unsloth/some-1b
data:
  local_dataset: [rows.jsonl, more.jsonl]
  format_type: sharegpt
training:
  training_type: lora
  max_seq_length: 1024
  load_in_4bit: true
  num_epochs: 2
  learning_rate: 2e-4
  batch_size: 4
  max_steps: 0
  train_on_completions: true
  gradient_checkpointing: true
lora: {lora_r: 16, lora_alpha: 32, target_modules: "q_proj,v_proj", use_dora: true}
logging: {enable_tensorboard: true, tensorboard_dir: logs, hf_token: hf_aaaaaaaaaaaaaaaaaaaaaa}
"""


def test_unsloths_command_line(tmp_path: Path) -> None:
    made = imported(tmp_path, "u.yaml", UNSLOTH)
    recipe = recipe_of(made)
    assert [source.name_or_path for source in recipe.data.sources] == ["rows.jsonl", "more.jsonl"]
    assert (recipe.data.sources[0].format, recipe.data.train_on) == ("sharegpt", "answers")
    assert (recipe.model.quantization, recipe.model.max_seq_length) == ("nf4", 1024)
    assert (recipe.lora.r, recipe.lora.target_modules, recipe.lora.use_dora) == (16, ["q_proj", "v_proj"], True)
    training = recipe.training
    assert (training.per_device_train_batch_size, training.max_steps, training.num_train_epochs) == (4, None, 2)
    assert (training.gradient_checkpointing, training.warmup_steps) == ("non_reentrant", 5)
    assert (recipe.output.report_to, recipe.output.logging_dir) == (["tensorboard"], "logs")
    assert (lost(made), "hf_aaaa" in made.text) == ({}, False)


TORCHTUNE = """\
output_dir: /tmp/out
model:
  _component_: torchtune.models.llama3.qlora_llama3_8b
  lora_attn_modules: ['q_proj', 'output_proj']
  apply_lora_to_mlp: True
  apply_lora_to_output: False
  lora_rank: 8
  lora_alpha: 16
tokenizer: {_component_: torchtune.models.llama3.llama3_tokenizer, path: /tmp/m/tokenizer.model, max_seq_len: 512}
checkpointer: {_component_: torchtune.training.FullModelMetaCheckpointer, checkpoint_dir: /tmp/m/original/}
dataset: {_component_: torchtune.datasets.chat_dataset, source: owner/talk, conversation_column: dialog,
          conversation_style: sharegpt, packed: true}
optimizer: {_component_: torch.optim.AdamW, fused: True, lr: 3e-4, weight_decay: 0.01, betas: [0.9, 0.95]}
lr_scheduler: {_component_: torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup, num_warmup_steps: 100}
loss: {_component_: torchtune.modules.loss.CEWithChunkedOutputLoss}
epochs: 2
max_steps_per_epoch: 50
batch_size: 4
gradient_accumulation_steps: 8
dtype: bf16
device: cuda
metric_logger: {_component_: torchtune.training.metric_logging.WandBLogger, log_dir: "${output_dir}/logs"}
"""


def test_torchtune(tmp_path: Path) -> None:
    made = imported(tmp_path, "t.yaml", TORCHTUNE)
    recipe = recipe_of(made)
    assert (recipe.model.name_or_path, recipe.model.quantization, recipe.model.dtype) == ("/tmp/m", "nf4", "bfloat16")
    assert recipe.lora.target_modules == ["q_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    source = recipe.data.sources[0]
    assert (source.name_or_path, source.format, source.columns.messages) == ("owner/talk", "sharegpt", "dialog")
    training = recipe.training
    assert (training.max_steps, training.warmup_steps, training.lr_scheduler_type) == (100, 100, "cosine")
    assert (training.optim, training.packing, training.max_grad_norm) == ("adamw_torch_fused", True, 0)
    assert recipe.output.report_to == ["wandb"]
    assert list(lost(made)) == ["optimizer.betas"]
    assert "#   metric_logger.log_dir: /tmp/out/logs  --" in made.text


SWIFT = """\
# swift infer --model x
nproc=2
CUDA_VISIBLE_DEVICES=0,1 NPROC_PER_NODE=$nproc \\
swift sft \\
    --model Owner/Base-7B \\
    --tuner_type lora \\
    --dataset 'owner/talk:english#500' HF::owner/more#20 \\
    --split_dataset_ratio 0.01 --quant_bits 4 \\
    --torch_dtype bfloat16 --learning_rate=1e-4 \\
    --target_modules all-linear --gradient_accumulation_steps $(expr 16 / $nproc) \\
    --lora_rank 16 --packing --loss_scale last_round --eval_steps 50 --new_thing 3
"""


def test_ms_swift(tmp_path: Path) -> None:
    made = imported(tmp_path, "s.sh", SWIFT)
    recipe = recipe_of(made)
    talk, more = recipe.data.sources
    assert (talk.name_or_path, talk.subset, talk.max_rows) == ("owner/talk", "english", 500)
    assert (more.name_or_path, more.max_rows) == ("owner/more", 20)
    assert (recipe.data.eval_share, recipe.data.train_on, recipe.training.eval_steps) == (0.01, "last_answer", 50)
    assert (recipe.model.quantization, recipe.model.dtype) == ("nf4", "bfloat16")
    assert (recipe.hardware.gpu, recipe.hardware.devices) == ("0,1", 2)
    assert (recipe.training.gradient_accumulation_steps, recipe.training.packing) == (8, True)
    assert (recipe.lora.r, recipe.lora.lora_alpha, recipe.lora.lora_dropout) == (16, 32, 0.05)
    assert set(lost(made)) == {"new_thing"}


def test_a_peft_adapter(tmp_path: Path) -> None:
    config = {
        "peft_type": "LORA", "base_model_name_or_path": "owner/base", "r": 64, "lora_alpha": 16, "use_dora": False,
        "target_modules": ["v_proj", "q_proj"], "modules_to_save": ["lm_head"], "loftq_config": {}, "bias": "none",
        "rank_pattern": {"q_proj": 8}, "task_type": "CAUSAL_LM",
    }  # fmt: skip
    made = imported(tmp_path, "adapter_config.json", json.dumps(config))
    recipe = recipe_of(made)
    assert (recipe.lora.r, recipe.lora.target_modules, recipe.lora.modules_to_save) == (
        64, ["v_proj", "q_proj"], ["lm_head"]
    )  # fmt: skip
    assert (recipe.model.name_or_path, made.names_data) == ("owner/base", False)
    assert lost(made) == {"rank_pattern": "all layers have one rank"}
    assert "task_type" in comments(made)


def test_llama_factorys_second_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sets.yaml").write_text("who: {path: owner/who, converter: sharegpt, size: 9}\n")
    text = (
        "model: owner/m\nmodel_class: llm\ntemplate: llama3\ntrain_dataset: data/sets.yaml\nmicro_batch_size: 2\n"
        "global_batch_size: 8\npeft_config: {name: lora, r: 4, target_modules: all}\ncutoff_len: 512\n"
        "dist_config: {name: fsdp2}\nquant_config: {name: bnb, quantization_bit: 4}\n"
    )
    made = imported(tmp_path, "v1.yaml", text)
    recipe = recipe_of(made)
    source = recipe.data.sources[0]
    assert (source.name_or_path, source.format, source.max_rows) == ("owner/who", "sharegpt", 9)
    assert (recipe.lora.r, recipe.lora.target_modules, recipe.model.quantization) == (4, "all-linear", "nf4")
    assert recipe.training.gradient_accumulation_steps == 4
    assert list(lost(made)) == ["dist_config.name"]


PAIRS = {
    "lf.yaml": "model_name_or_path: o/m\nstage: dpo\ndataset: owner/pairs\npref_beta: 0.3\npref_loss: ipo\n",
    "ax.yml": (
        "base_model: o/m\nadapter: lora\nrl: ipo\ndpo_beta: 0.3\ndatasets:\n  - path: owner/pairs\n"
        "    type: chat_template.default\n    field_chosen: good\n    field_rejected: bad\n"
    ),
    "sw.sh": "swift rlhf --rlhf_type dpo --model o/m --dataset owner/pairs --beta 0.3 --loss_type ipo\n",
    "script.py": (
        "from unsloth import FastLanguageModel\nmodel, _ = FastLanguageModel.from_pretrained('o/m')\n"
        "trainer = DPOTrainer(model, beta=0.3, args=DPOConfig(loss_type='ipo'), "
        "train_dataset=load_dataset('owner/pairs', split='train'))\n"
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_preference_pairs(tmp_path: Path, name: str) -> None:
    made = imported(tmp_path, name, PAIRS[name])
    recipe = recipe_of(made)
    assert (recipe.method, recipe.dpo.beta, recipe.dpo.loss_type) == ("dpo", 0.3, "ipo")
    assert recipe.data.sources[0].name_or_path == "owner/pairs"
    assert lost(made) == {}


def test_continued_pretraining_of_a_notebook(tmp_path: Path) -> None:
    text = (
        "model, tokenizer = FastLanguageModel.from_pretrained('o/m')\n"
        "model = FastLanguageModel.get_peft_model(model, r=8, target_modules=['q_proj', 'embed_tokens', 'lm_head'])\n"
        "rows = load_dataset('o/texts', split='train[:5%]').map(lambda row: {'text': row['text'] + '</s>'})\n"
        "trainer = UnslothTrainer(model, train_dataset=rows, args=UnslothTrainingArguments("
        "learning_rate=5e-5, embedding_learning_rate=5e-6))\n"
    )
    made = imported(tmp_path, "cpt.py", text)
    recipe = recipe_of(made)
    assert (recipe.method, recipe.pretraining.embedding_learning_rate) == ("pretraining", 5e-6)
    assert (recipe.lora.target_modules, recipe.lora.modules_to_save) == (["q_proj"], ["embed_tokens", "lm_head"])
    assert (recipe.data.sources[0].format, lost(made)) == ("text", {})


def test_pairs_that_a_program_makes(tmp_path: Path) -> None:
    text = (
        "from unsloth import FastLanguageModel\nmodel, _ = FastLanguageModel.from_pretrained('o/m')\n"
        "WORDS = 'Below is an instruction that describes a task {} {} {}'\n"
        "def to_pair(sample):\n    good = sample['accepted']\n"
        "    sample['prompt'] = WORDS.format(sample['instruction'], sample['context'], '')\n"
        "    sample['chosen'] = good + '</s>'\n    sample['rejected'] = sample['worse'] + '</s>'\n    return sample\n"
        "rows = load_dataset('o/pairs')['train'].map(to_pair)\n"
        "ORPOTrainer(model, train_dataset=rows, args=ORPOConfig(beta=0.2, max_completion_length=64))\n"
    )
    made = imported(tmp_path, "orpo.py", text)
    recipe = recipe_of(made)
    source = recipe.data.sources[0]
    assert (recipe.method, recipe.orpo.beta, source.format) == ("orpo", 0.2, "preference")
    columns = source.columns
    assert (columns.prompt, columns.input) == ("instruction", "context")
    assert (columns.chosen, columns.rejected) == ("accepted", "worse")
    assert (recipe.data.chat_template, lost(made)) == ("alpaca", {})


def test_what_a_tool_does_by_itself_and_a_recipe_cannot_is_said(tmp_path: Path) -> None:
    made = imported(tmp_path, "k.sh", "swift rlhf --rlhf_type kto --model o/m --dataset o/rows\n")
    training = recipe_of(made).training
    assert (training.per_device_train_batch_size, training.gradient_accumulation_steps) == (2, 16)
    title = "# What ms-swift does where the file says nothing, and a recipe cannot:\n"
    assert made.text.partition(title)[2].splitlines()[0] == (
        "#   training.per_device_train_batch_size: 1  -- kto estimates its KL divergence from the rows of a batch, and "
        "there is one; give 2 or more, or apo_zero_unpaired as kto.loss_type"
    )
