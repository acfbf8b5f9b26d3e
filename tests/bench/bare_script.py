"""What people write by hand: one QLoRA run with Unsloth, or with plain transformers, peft and trl. No cockpit in it.

usage: python bare_script.py MODEL_FOLDER unsloth|transformers STEPS
Rank 16 on all seven projections, nf4, rows of 2,048 tokens, batch 2 x 4. Prints one line of JSON: the time of each
step's end, since the process began, and torch's peak of reserved memory.
"""

# ruff: noqa: E402  Unsloth is imported before the rest, and only where it is asked for.

import json
import os
import random
import sys
import time
from typing import Any

began = time.time()
folder, backend, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
length, batch, accumulation, rank = 2048, 2, 4, 16
os.environ.setdefault("HF_HUB_OFFLINE", "1")
if backend == "unsloth":
    from unsloth import FastLanguageModel, FastModel

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback
from trl import SFTConfig, SFTTrainer

imported = time.time()
sees = hasattr(AutoConfig.from_pretrained(folder), "vision_config")
targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
lora = {"r": rank, "lora_alpha": rank, "lora_dropout": 0, "bias": "none"}
if backend == "unsloth" and sees:
    model, tokenizer = FastModel.from_pretrained(folder, max_seq_length=length, load_in_4bit=True, dtype=None)
    model = FastModel.get_peft_model(model, finetune_vision_layers=False, random_state=3407, **lora)
elif backend == "unsloth":
    model, tokenizer = FastLanguageModel.from_pretrained(folder, max_seq_length=length, load_in_4bit=True, dtype=None)
    model = FastLanguageModel.get_peft_model(
        model, target_modules=targets, use_gradient_checkpointing="unsloth", random_state=3407, **lora
    )
else:
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model = AutoModelForCausalLM.from_pretrained(
        folder, device_map={"": 0}, dtype=torch.bfloat16, quantization_config=quantization
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = prepare_model_for_kbit_training(
        model, use_gradient_checkpointing=True, gradient_checkpointing_kwargs={"use_reentrant": False}
    )
    layers = r".*language_model.*\.(" + "|".join(targets) + ")" if sees else targets
    model = get_peft_model(model, LoraConfig(target_modules=layers, task_type="CAUSAL_LM", **lora))
loaded = time.time()

random.seed(0)
rows = [[random.randrange(3, 500) for _ in range(length)] for _ in range(batch * accumulation * 4)]
data = Dataset.from_dict({"input_ids": rows, "attention_mask": [[1] * length] * len(rows), "labels": rows})
stamps: list[float] = []


class Clock(TrainerCallback):  # type: ignore[misc]  # the stack has no types for mypy
    def on_step_end(self, *_: Any, **__: Any) -> None:
        torch.cuda.synchronize()
        stamps.append(time.time() - began)


plain = backend == "transformers"
trainer = SFTTrainer(
    model=model,
    processing_class=tokenizer,
    train_dataset=data,
    callbacks=[Clock()],
    args=SFTConfig(
        output_dir="bare_script_out",
        max_steps=steps,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        learning_rate=2e-4,
        logging_steps=1,
        bf16=True,
        optim="adamw_8bit",
        lr_scheduler_type="linear",
        warmup_steps=2,
        report_to="none",
        save_strategy="no",
        max_length=length,
        dataset_kwargs={"skip_prepare_dataset": True},
        disable_tqdm=True,
        gradient_checkpointing=plain,
        gradient_checkpointing_kwargs={"use_reentrant": False} if plain else None,
    ),
)
trainer.train()
figures = {
    "import_s": imported - began,
    "load_s": loaded - imported,
    "stamps": stamps,
    "reserved_mib": torch.cuda.max_memory_reserved() / 2**20,
    "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
}
print("FIGURES", json.dumps(figures), flush=True)
