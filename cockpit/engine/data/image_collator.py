"""Rows with images -> batches with pixels, labels on the answers"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import SequenceMatcher
from typing import Any

import torch

from cockpit.engine.data.image_rows import text_labels
from cockpit.engine.data.token_rows import IGNORED

MakeCollator = Callable[[Any], Any]
"""model -> the trainer's data_collator."""


def image_collator(processor: Any, length: int, backend: str, *, multiple: int | None) -> MakeCollator:
    """Makes the backend's collator for rows of ImageRows; `length` is the most tokens of a row, and batches are padded
    to a multiple of `multiple` tokens."""
    label = ImageLabels(processor)
    if backend != "unsloth":
        return lambda model: PlainImageCollator(processor, label, multiple=multiple)

    def by_unsloth(model: Any) -> Any:
        from unsloth.trainer import UnslothVisionDataCollator

        own = UnslothVisionDataCollator(model, processor, max_seq_length=length, pad_to_multiple_of=multiple)
        return UnslothImageCollator(own, label)

    return by_unsloth


class ImageLabels:
    """Labels for what a processor has made of rows, from where in their texts the loss is taken."""

    def __init__(self, processor: Any) -> None:
        self._tokenizer = processor.tokenizer
        self._image_token = getattr(processor, "image_token_id", None)

    def of(self, examples: list[dict[str, Any]], batch: Mapping[str, Any]) -> Any:
        """[rows, tokens]. Raises ValueError where an answer is not found again among the images' tokens."""
        labels = torch.full_like(batch["input_ids"], IGNORED)
        for row, example in enumerate(examples):
            text, edges = example["text"], example["trained"]
            spans = list(zip(edges[::2], edges[1::2], strict=True))
            ids, wanted, _ = text_labels(self._tokenizer, text, spans)
            is_there = batch["attention_mask"][row].bool()
            there = batch["input_ids"][row][is_there].tolist()
            # A text that is trained whole has its placeholders in it, and of these some are written otherwise.
            carried = carried_labels(ids, wanted, there, all_of_them=(0, len(text)) not in spans)
            labels[row, is_there] = torch.tensor(carried)
        labels[batch["input_ids"] == self._image_token] = IGNORED
        return labels


class UnslothImageCollator:
    """Unsloth's collator, with labels of our own: it looks for marks in the tokens, which a user may have written."""

    def __init__(self, own: Any, labels: ImageLabels) -> None:
        self._own = own
        self._labels = labels

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """As PlainImageCollator."""
        rows = [{name: one[name] for name in ("messages", "chat_template_kwargs")} for one in examples]
        batch: dict[str, Any] = self._own(rows)
        batch["labels"] = self._labels.of(examples, batch)
        return batch


class PlainImageCollator:
    """The processor alone: tokenizes and pads a batch, and takes over the labels that its text has."""

    def __init__(self, processor: Any, labels: ImageLabels, *, multiple: int | None = None) -> None:
        self._processor = processor
        self._labels = labels
        self._multiple = multiple

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Examples with `messages` whose image parts hold images, `text` and `trained` -> the model's inputs, padded on
        the right, with `labels` [rows, tokens]. Raises ValueError where an answer is not found again among the images'
        tokens."""
        texts = [one["text"] for one in examples]
        images = [
            [part["image"] for turn in one["messages"] for part in turn["content"] if part["type"] == "image"]
            for one in examples
        ]
        given: dict[str, Any] = {"images": images} if any(images) else {}
        if self._multiple is not None:
            given["pad_to_multiple_of"] = self._multiple
        self._processor.tokenizer.padding_side = "right"
        batch = self._processor(text=texts, padding=True, return_tensors="pt", add_special_tokens=False, **given)
        return {**batch, "labels": self._labels.of(examples, batch)}


def carried_labels(ids: list[int], labels: list[int], expanded: list[int], *, all_of_them: bool = True) -> list[int]:
    """The labels of `ids` on `expanded`, the same tokens with more of them where the images stand.

    Raises ValueError where a token with a label is not found again; with `all_of_them` off, such are left out.
    """
    carried = [IGNORED] * len(expanded)
    for begin, at, size in SequenceMatcher(None, ids, expanded, autojunk=False).get_matching_blocks():
        carried[at : at + size] = labels[begin : begin + size]
    if all_of_them and sum(label != IGNORED for label in carried) != sum(label != IGNORED for label in labels):
        raise ValueError("The processor writes a row's answer in other tokens than the tokenizer.")
    return carried
