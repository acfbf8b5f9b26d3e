"""Packing: every row once, no sequence too long, no loss over a border, and neighbours that do not see each other."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from cockpit.engine.data.packing import packed_sequences
from cockpit.engine.data.prepare import PreparedData, prepare_data
from cockpit.engine.data.token_rows import IGNORED
from cockpit.engine.training.batching import neighbours_are_seen
from cockpit.protocol.events import RunEnded, StepEnded
from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny


def prepared(tmp_path: Path, **changes: Any) -> PreparedData:
    rows = [{"messages": tiny.pair(f"what is {n}", "red cat " * (1 + n % 7)), "n": n} for n in range(60)]
    path = tiny.write_rows(tmp_path / "rows.jsonl", rows)
    changes = {"data__eval_rows": 0, "training__packing": True, **changes}
    text = tiny.recipe_text(Path("model"), path, backend="transformers", **changes)
    recipe = RecipeDocument.parse(text, "test").recipe()
    return prepare_data(recipe, tiny.make_tokenizer(), lambda text: None, lambda done, total: None)


def collator() -> Any:
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    return DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)


@pytest.mark.parametrize("seed", range(20))
def test_every_row_is_in_one_sequence_that_is_not_too_long(seed: int) -> None:
    rng = random.Random(seed)
    capacity = rng.randrange(5, 200)
    lengths = [rng.randint(1, capacity) for _ in range(rng.randrange(1, 300))]
    sequences = packed_sequences(lengths, capacity)
    assert sorted(row for sequence in sequences for row in sequence) == list(range(len(lengths)))
    assert max(sum(lengths[row] for row in sequence) for sequence in sequences) <= capacity
    least = -(-sum(lengths) // capacity)
    assert len(sequences) <= max(least * 11 / 9 + 1, least + 1)


def test_packed_rows_are_the_rows(tmp_path: Path) -> None:
    packed, plain = prepared(tmp_path), prepared(tmp_path, training__packing=False)
    assert (packed.packed, plain.packed) == (True, False)
    assert len(packed.train) < len(plain.train) / 3
    parts = []
    for row in packed.train:
        assert len(row["input_ids"]) == len(row["labels"]) == sum(row["seq_lengths"]) <= 128
        at = 0
        for length in row["seq_lengths"]:
            parts.append((row["input_ids"][at : at + length], row["labels"][at : at + length]))
            at += length
    assert sorted(parts) == sorted((row["input_ids"], row["labels"]) for row in plain.train)
    assert packed.counts.tokens == plain.counts.tokens


def test_the_sequences_are_as_few_as_trls(tmp_path: Path) -> None:
    from trl import pack_dataset

    packed, plain = prepared(tmp_path), prepared(tmp_path, training__packing=False)
    theirs = pack_dataset(Dataset.from_list(plain.train.to_list()), 128, "bfd")
    assert len(packed.train) == len(theirs)
    assert set(packed.train.column_names) == set(theirs.column_names)


def test_positions_begin_anew_and_first_tokens_have_no_loss(tmp_path: Path) -> None:
    data = prepared(tmp_path, data__train_on="all")
    rows = [data.train[0], data.train[1]]
    batch = collator()(rows)
    lengths = [length for row in rows for length in row["seq_lengths"]]
    assert batch["position_ids"][0].tolist() == [place for length in lengths for place in range(length)]
    starts = [sum(lengths[:n]) for n in range(len(lengths))]
    assert (batch["labels"][0][starts] == IGNORED).all()
    assert int((batch["labels"] != IGNORED).sum()) == sum(lengths) - len(lengths)
    assert "attention_mask" not in batch


def test_neighbours_do_not_see_each_other(tmp_path: Path, model: Path) -> None:
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(model).eval()
    data = prepared(tmp_path)
    row = data.train[0]
    batch = collator()([row, data.train[1]])
    with torch.no_grad():
        packed = network(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits[0]
        at = 0
        for length in row["seq_lengths"]:
            alone = network(input_ids=torch.tensor([row["input_ids"][at : at + length]]), use_cache=False).logits[0]
            torch.testing.assert_close(packed[at : at + length], alone, rtol=1e-4, atol=1e-5)
            at += length
    assert len(row["seq_lengths"]) > 1


def test_a_model_whose_rows_would_see_each_other_is_found_out(model: Path) -> None:
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(model)
    assert not neighbours_are_seen(network)
    forward = network.forward

    def forgetful(position_ids: Any, **inputs: Any) -> Any:
        return forward(**inputs)

    network.forward = forgetful
    assert neighbours_are_seen(network)


@pytest.mark.parametrize("joined", ["packing", "padding_free", "group_by_length"])
def test_joined_rows_train_to_the_loss_of_padded_ones(joined: str, tmp_path: Path, hosted: Callable[..., Any]) -> None:
    """One step over all rows: the mean over their tokens is the same however they are laid out."""
    path = tiny.write_rows(
        tmp_path / "rows.jsonl", [{"messages": tiny.pair(f"what {n}", "cat " * (1 + n % 5))} for n in range(16)]
    )
    wide = {"training__per_device_train_batch_size": 16, "training__gradient_accumulation_steps": 1}
    common = {"data": path, "data__eval_rows": 0, "training__max_steps": 1, **wide}
    losses = []
    for changes in ({}, {f"training__{joined}": True}):
        run = hosted(**common, **changes)
        run.until_ended()
        (ended,) = run.all(RunEnded)
        assert ended.outcome == "completed", ended.reason
        losses.append(run.all(StepEnded)[0].metrics)
    assert losses[0]["loss"] == pytest.approx(losses[1]["loss"], rel=1e-4)
    assert losses[0]["trained_tokens"] == losses[1]["trained_tokens"]
    assert losses[0]["tokens_seen"] == losses[1]["tokens_seen"]
