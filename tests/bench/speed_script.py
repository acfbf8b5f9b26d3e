"""The script that tests.bench.speed compares with: QLoRA by Unsloth as people write it by hand. No cockpit in it.

usage: python speed_script.py SETTINGS     JSON: model, rows (JSON Lines with `text`), steps, length, batch,
accumulation, padding_free, pad_to, checkpointing, device, vision
It says IMPORTED once it has, and waits for a line on stdin before it loads the model. On the CPU it trains by plain
transformers, to try the script there. At its end it prints one line of JSON: Unix times of each step's end, useful
tokens (no padding) and loss of each step, and torch's peak of reserved memory.
"""

# ruff: noqa: E402  Unsloth is imported before the rest, and only where it is asked for.

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

began = time.time()
asked = json.loads(sys.argv[1])
on_gpu = asked["device"] != "cpu"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
if on_gpu:
    from unsloth import FastLanguageModel, FastModel

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainerCallback, TrainingArguments
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

print("IMPORTED", time.time() - began, flush=True)
sys.stdin.readline()

checkpointing = "unsloth" if asked["checkpointing"] else False
lora: dict[str, Any] = {"r": 16, "lora_alpha": 16, "lora_dropout": 0, "bias": "none"}
targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
if on_gpu:
    kind = FastModel if asked["vision"] else FastLanguageModel
    model, tokenizer = kind.from_pretrained(
        asked["model"], max_seq_length=asked["length"], dtype=None, load_in_4bit=True,
        use_gradient_checkpointing=checkpointing,
    )  # fmt: skip
    more = {"finetune_vision_layers": False} if asked["vision"] else {"target_modules": targets}
    model = kind.get_peft_model(model, random_state=3407, use_gradient_checkpointing=checkpointing, **lora, **more)
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
else:
    model = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(asked["model"])
    torch.manual_seed(3407)
    model = get_peft_model(model, LoraConfig(target_modules=targets, task_type="CAUSAL_LM", **lora))

lines = Path(asked["rows"]).read_text(encoding="utf-8").splitlines()
texts = [json.loads(line)["text"] + tokenizer.eos_token for line in lines]
rows = [tokenizer(text, truncation=True, max_length=asked["length"])["input_ids"] for text in texts]
data = Dataset.from_list([{"input_ids": ids, "labels": ids} for ids in rows])
data._unsloth_truncated_to = asked["length"]
stamps: list[float] = []
seen: list[torch.Tensor] = []


class Clock(TrainerCallback):  # type: ignore[misc]  # the stack has no types for mypy
    def on_step_end(self, *_: Any, **__: Any) -> None:
        if on_gpu:
            torch.cuda.synchronize()
        stamps.append(time.time())


common = {
    "output_dir": "speed_script_out", "max_steps": asked["steps"], "per_device_train_batch_size": asked["batch"],
    "gradient_accumulation_steps": asked["accumulation"], "learning_rate": 1e-4, "logging_steps": 1, "warmup_steps": 2,
    "lr_scheduler_type": "linear", "report_to": "none", "save_strategy": "no", "disable_tqdm": True, "seed": 3407,
    "remove_unused_columns": False,
}  # fmt: skip
if on_gpu:
    trainer = SFTTrainer(
        model=model, processing_class=tokenizer, train_dataset=data, callbacks=[Clock()],
        args=SFTConfig(
            bf16=True, optim="adamw_8bit", weight_decay=0.01, max_length=asked["length"], dataset_text_field="text",
            dataset_kwargs={"skip_prepare_dataset": True}, padding_free=asked["padding_free"],
            pad_to_multiple_of=asked["pad_to"], gradient_checkpointing=asked["checkpointing"], **common,
        ),
    )  # fmt: skip
else:
    trainer = Trainer(
        model=model, train_dataset=data, callbacks=[Clock()],
        args=TrainingArguments(use_cpu=True, optim="adamw_torch", weight_decay=0.01, **common),
        data_collator=DataCollatorForLanguageModeling(pad_token_id=tokenizer.pad_token_id),
    )  # fmt: skip
step = trainer.training_step


def counted(model: Any, inputs: dict[str, Any], *more: Any, **named: Any) -> Any:
    mask = inputs.get("attention_mask")
    seen.append(torch.tensor(inputs["input_ids"].numel()) if mask is None or mask.dim() != 2 else mask.sum())
    return step(model, inputs, *more, **named)


trainer.training_step = counted
trainer.train()
each = asked["accumulation"]
tokens = [int(count) for count in seen]
figures = {
    "stamps": stamps,
    "tokens": [sum(tokens[at : at + each]) for at in range(0, len(tokens), each)],
    "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
    "reserved": torch.cuda.max_memory_reserved() if on_gpu else 0,
}
print("FIGURES", json.dumps(figures), flush=True)
