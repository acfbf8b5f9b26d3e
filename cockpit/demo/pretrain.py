"""the base's pretraining, from nothing: `python -m cockpit.demo.pretrain FOLDER`; ten minutes at most on two cores"""

import json
import math
import os
import platform
import random
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from cockpit.demo.corpus import Conversation, epoch
from cockpit.demo.exam import examine
from cockpit.demo.tokens import segments, train_tokenizer
from cockpit.demo.world import SEED, World

THREADS = 2
VOCABULARY = 1536
EPOCHS = 8
BATCH_TOKENS = 2048
PEAK_LEARNING_RATE = 4e-3
WARMUP_STEPS = 100
WEIGHT_DECAY = 0.05
IGNORED = -100

Example = tuple[list[int], list[int]]
"""Token ids, and the labels: the same ids where the base learns to write them, IGNORED elsewhere."""


def main(folder: Path) -> None:
    """Train, save, examine; writes the weights, the tokenizer and figures.json into `folder`."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(SEED)
    rng = random.Random(SEED)
    world = World()
    started, cpu_started = time.perf_counter(), time.process_time()

    texts = ["".join(text for text, _ in segments(conversation)) for conversation in epoch(world, rng)]
    tokenizer = train_tokenizer(texts, VOCABULARY)
    model = Qwen3ForCausalLM(configuration(tokenizer))
    train(model, tokenizer, world, rng)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started

    save(model, tokenizer, folder)
    model = Qwen3ForCausalLM.from_pretrained(folder).eval()
    marks = [examine(model, tokenizer, world, seed) for seed in range(3)]
    figures = {
        "date": datetime.now(UTC).date().isoformat(),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "seconds": round(seconds),
        "cpu_seconds": round(cpu_seconds),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__.split('+')[0]}",
        "examinations": [asdict(mark) for mark in marks],
    }
    (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))


def configuration(tokenizer: PreTrainedTokenizerFast) -> Qwen3Config:
    """A Qwen3 of less than two million parameters."""
    return Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=160,
        intermediate_size=480,
        num_hidden_layers=5,
        num_attention_heads=5,
        num_key_value_heads=5,
        head_dim=32,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        use_cache=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        dtype="float32",
    )


def train(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, world: World, rng: random.Random) -> None:
    """Every epoch is drawn anew; batches hold rows of about one length, so that little is padding."""
    plan = [batches(examples(tokenizer, epoch(world, rng)), rng) for _ in range(EPOCHS)]
    steps = sum(len(of_epoch) for of_epoch in plan)
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    vectors = [weight for weight in model.parameters() if weight.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}],
        lr=PEAK_LEARNING_RATE,
        betas=(0.9, 0.98),
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: share_of_peak(step, steps))
    model.train()
    began = time.perf_counter()
    for number, of_epoch in enumerate(plan, start=1):
        total = 0.0
        for batch in of_epoch:
            loss = loss_on(model, *tensors(batch, tokenizer.pad_token_id))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            total += loss.item()
        print(
            f"epoch {number}/{EPOCHS}  loss {total / len(of_epoch):.4f}  {time.perf_counter() - began:.0f} s",
            flush=True,
        )


def share_of_peak(step: int, steps: int) -> float:
    """A warm-up, then half a cosine down to a fiftieth."""
    if step < WARMUP_STEPS:
        return (step + 1) / WARMUP_STEPS
    progress = (step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))


def examples(tokenizer: PreTrainedTokenizerFast, conversations: list[Conversation]) -> list[Example]:
    """Conversations as token ids and labels."""
    cut = [segments(conversation) for conversation in conversations]
    encoded = tokenizer(
        ["".join(text for text, _ in pieces) for pieces in cut], add_special_tokens=False, return_offsets_mapping=True
    )
    made = []
    for pieces, ids, offsets in zip(cut, encoded["input_ids"], encoded["offset_mapping"], strict=True):
        learnt: list[bool] = []
        for text, learn in pieces:
            learnt += [learn] * len(text)
        made.append(
            (ids, [token if learnt[start] else IGNORED for token, (start, _) in zip(ids, offsets, strict=True)])
        )
    return made


def batches(rows: list[Example], rng: random.Random) -> list[list[Example]]:
    """Rows of about one length together, BATCH_TOKENS a batch with the padding, in a random order."""
    made: list[list[Example]] = [[]]
    for row in sorted(rows, key=lambda row: (len(row[0]), rng.random())):
        if (len(made[-1]) + 1) * len(row[0]) > BATCH_TOKENS:
            made.append([])
        made[-1].append(row)
    rng.shuffle(made)
    return made


def tensors(batch: list[Example], pad: int) -> tuple[Tensor, Tensor]:
    """Ids and labels, (rows, tokens), padded on the right."""
    length = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([ids + [pad] * (length - len(ids)) for ids, _ in batch])
    labels = torch.tensor([labels + [IGNORED] * (length - len(labels)) for _, labels in batch])
    return ids, labels


def loss_on(model: Qwen3ForCausalLM, ids: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of the labelled tokens; only their logits are computed. No attention mask is needed: padding
    on the right is never looked at by what comes before it."""
    hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
    targets = labels[:, 1:]
    wanted = targets != IGNORED
    return cross_entropy(model.lm_head(hidden[wanted]), targets[wanted])


def save(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Weights in bfloat16, to be computed with in float32; configuration, generation defaults and tokenizer."""
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, max_new_tokens=64
    )
    # The head is the embedding: a copy of it would only weigh.
    weights = {name: weight.bfloat16() for name, weight in model.state_dict().items() if name != "lm_head.weight"}
    model.save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
