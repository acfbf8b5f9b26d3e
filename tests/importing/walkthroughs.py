"""The four walk-throughs that cockpit grew from, as scripts: their calls and their calls' arguments"""

GEMMA = """
import os
os.environ["CUDA_VISIBLE_DEVICES"] = "1"
os.environ["HF_ENDPOINT"] = "https://mirror.example"
import torch
from unsloth import FastModel
from unsloth.chat_templates import get_chat_template, standardize_data_formats, train_on_responses_only
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

torch._dynamo.config.cache_size_limit = 64
torch._dynamo.config.accumulated_cache_size_limit = 256

model, tokenizer = FastModel.from_pretrained(
    model_name="/models/gemma-3-4b-it", max_seq_length=1024, dtype=None, load_in_4bit=True, load_in_8bit=False,
    full_finetuning=False,
)
model = FastModel.get_peft_model(
    model, finetune_vision_layers=False, finetune_language_layers=True, finetune_attention_modules=True,
    finetune_mlp_modules=True, r=8, lora_alpha=8, lora_dropout=0, bias="none", random_state=3407,
)
tokenizer = get_chat_template(tokenizer, chat_template="gemma-3")
dataset = standardize_data_formats(load_dataset("mlabonne/FineTome-100k", split="train"))

def render(examples):
    chats = examples["conversations"]
    texts = [tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=False).removeprefix("<bos>")
             for chat in chats]
    return {"text": texts}

dataset = dataset.map(render, batched=True)
trainer = SFTTrainer(
    model=model, tokenizer=tokenizer, train_dataset=dataset, eval_dataset=None,
    args=SFTConfig(
        dataset_text_field="text", per_device_train_batch_size=2, gradient_accumulation_steps=4, warmup_steps=5,
        max_steps=30, learning_rate=2e-4, logging_steps=1, optim="adamw_8bit", weight_decay=0.01,
        lr_scheduler_type="linear", seed=3407, save_strategy="steps", save_steps=10, report_to="tensorboard",
        logging_dir="./logs", run_name="gemma-3-4b", dataloader_num_workers=2, output_dir="outputs",
    ),
)
trainer = train_on_responses_only(
    trainer, instruction_part="<start_of_turn>user\\n", response_part="<start_of_turn>model\\n"
)
trainer.train()
"""

QWEN = """
import pandas as pd
import torch
from datasets import Dataset, load_dataset
from trl import SFTConfig, SFTTrainer
from unsloth import FastLanguageModel
from unsloth.chat_templates import standardize_sharegpt

model, tokenizer = FastLanguageModel.from_pretrained(
    model_name="unsloth/Qwen3-8B", dtype=torch.float16, max_seq_length=2048, load_in_4bit=True
)
model = FastLanguageModel.get_peft_model(
    model, r=32, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    lora_alpha=32, lora_dropout=0, bias="none", use_gradient_checkpointing="unsloth", random_state=3407,
    use_rslora=False, loftq_config=None,
)
reasoning = load_dataset("unsloth/OpenMathReasoning-mini", split="cot")
chat = load_dataset("mlabonne/FineTome-100k", split="train")

def to_turns(examples):
    turns = []
    for problem, solution in zip(examples["problem"], examples["generated_solution"]):
        turns.append([{"role": "user", "content": problem}, {"role": "assistant", "content": solution}])
    return {"conversations": turns}

thoughts = tokenizer.apply_chat_template(reasoning.map(to_turns, batched=True)["conversations"], tokenize=False)
talk = tokenizer.apply_chat_template(standardize_sharegpt(chat)["conversations"], tokenize=False)
share = 0.75
drawn = pd.Series(talk).sample(int(len(thoughts) * (1 - share)), random_state=42)
together = pd.concat([pd.Series(thoughts), drawn])
together.name = "text"
rows = Dataset.from_pandas(pd.DataFrame(together)).shuffle(seed=42)
trainer = SFTTrainer(
    model=model, tokenizer=tokenizer, train_dataset=rows,
    args=SFTConfig(
        dataset_text_field="text", max_seq_length=512, per_device_train_batch_size=2, gradient_accumulation_steps=4,
        warmup_steps=5, max_steps=30, learning_rate=2e-4, logging_steps=1, optim="adamw_8bit", weight_decay=0.01,
        lr_scheduler_type="linear", seed=3407, report_to="none",
    ),
)
trainer.train()

question = [{"role": "user", "content": "Solve (x + 2)^2 = 0."}]
text = tokenizer.apply_chat_template(question, tokenize=False, add_generation_prompt=True, enable_thinking=False)
model.generate(**tokenizer(text, return_tensors="pt"), max_new_tokens=256, temperature=0.7, top_p=0.8, top_k=20)
text = tokenizer.apply_chat_template(question, tokenize=False, add_generation_prompt=True, enable_thinking=True)
model.generate(**tokenizer(text, return_tensors="pt"), max_new_tokens=1024, temperature=0.6, top_p=0.95, top_k=20)
model.save_pretrained("lora")
model.save_pretrained_merged("merged", tokenizer, save_method="merged_16bit")
"""

VISION = """
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer
from unsloth import FastVisionModel
from unsloth.trainer import UnslothVisionDataCollator

model, processor = FastVisionModel.from_pretrained("unsloth/gemma-3-4b-it-bnb-4bit", load_in_4bit=True)
model = FastVisionModel.get_peft_model(
    model, finetune_vision_layers=True, finetune_language_layers=True, finetune_attention_modules=True,
    finetune_mlp_modules=True, r=16, lora_alpha=16, lora_dropout=0, bias="none", random_state=3407, use_rslora=False,
    loftq_config=None, target_modules="all-linear", modules_to_save=["lm_head", "embed_tokens"],
)
instruction = "Write the LaTeX representation for this image."

def to_turns(sample):
    asked = [{"type": "text", "text": instruction}, {"type": "image", "image": sample["image"]}]
    told = [{"type": "text", "text": sample["text"]}]
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": told}]}

rows = [to_turns(sample) for sample in load_dataset("unsloth/LaTeX_OCR", split="train")]
FastVisionModel.for_training(model)
trainer = SFTTrainer(
    model=model, train_dataset=rows, processing_class=processor.tokenizer,
    data_collator=UnslothVisionDataCollator(model, processor),
    args=SFTConfig(
        per_device_train_batch_size=1, gradient_accumulation_steps=4, gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": False}, max_grad_norm=0.3, warmup_ratio=0.03, max_steps=3,
        learning_rate=2e-4, logging_steps=1, save_strategy="steps", optim="adamw_torch_fused", weight_decay=0.01,
        lr_scheduler_type="cosine", seed=3407, output_dir="outputs", report_to="none", remove_unused_columns=False,
        dataset_text_field="", dataset_kwargs={"skip_prepare_dataset": True}, max_length=2048,
    ),
)
trainer.train()
"""

OVERVIEW = """
import torch
from datasets import load_dataset
from transformers import TrainingArguments
from trl import SFTTrainer
from unsloth import FastLanguageModel, is_bfloat16_supported

max_seq_length = 2048
address = "https://huggingface.co/datasets/laion/OIG/resolve/main/unified_chip2.jsonl"
dataset = load_dataset("json", data_files={"train": address}, split="train")
model, tokenizer = FastLanguageModel.from_pretrained(
    model_name="unsloth/llama-3-8b-bnb-4bit", max_seq_length=max_seq_length, dtype=None, load_in_4bit=True
)
model = FastLanguageModel.get_peft_model(
    model, r=16, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], lora_alpha=16,
    use_gradient_checkpointing="unsloth", random_state=3407, max_seq_length=max_seq_length,
)
trainer = SFTTrainer(
    model=model, train_dataset=dataset, dataset_text_field="text", max_seq_length=max_seq_length, tokenizer=tokenizer,
    args=TrainingArguments(
        per_device_train_batch_size=2, gradient_accumulation_steps=4, warmup_steps=10, max_steps=60,
        learning_rate=2e-4, fp16=not is_bfloat16_supported(), bf16=is_bfloat16_supported(), logging_steps=10,
        output_dir="outputs", optim="adamw_8bit", weight_decay=0.01, lr_scheduler_type="linear", seed=3407,
    ),
)
trainer.train()
"""

WALKTHROUGHS = {"gemma-3-4b": GEMMA, "qwen3-8b": QWEN, "gemma-3-4b-vision": VISION, "llama-3-8b": OVERVIEW}
"""By the shipped recipe that does the same."""
