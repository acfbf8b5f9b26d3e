"""Rows with images -> batches with pixels, labels on the answers"""

from __future__ import annotations

from collections.abc import Callable
from difflib import SequenceMatcher
from typing import Any

import torch

from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.data.conversation import Message
from cockpit.engine.data.image_rows import text_labels
from cockpit.engine.data.token_rows import IGNORED

MakeCollator = Callable[[Any], Any]
"""model -> the trainer's data_collator."""


def image_collator(
    processor: Any, template: ChatTemplate, length: int, backend: str, *, on_answers: bool, multiple: int | None
) -> MakeCollator:
    """Makes the backend's collator for rows of ImageRows; `length` is the most tokens of a row, and batches are padded
    to a multiple of `multiple` tokens."""
    if backend != "unsloth":
        return lambda model: PlainImageCollator(processor, template, on_answers=on_answers, multiple=multiple)

    def by_unsloth(model: Any) -> Any:
        from unsloth.trainer import UnslothVisionDataCollator

        parts: dict[str, Any] = {}
        if on_answers:
            markers = template.markers
            parts = {"instruction_part": markers.instruction_part, "response_part": markers.response_part}
        return UnslothVisionDataCollator(
            model,
            processor,
            max_seq_length=length,
            train_on_responses_only=on_answers,
            pad_to_multiple_of=multiple,
            **parts,
        )

    return by_unsloth


class PlainImageCollator:
    """The processor alone: renders, tokenizes and pads a batch, and takes over the labels that its text has."""

    def __init__(
        self, processor: Any, template: ChatTemplate, *, on_answers: bool, multiple: int | None = None
    ) -> None:
        """`template` renders as the processor does."""
        self._processor = processor
        self._template = template
        self._on_answers = on_answers
        self._multiple = multiple
        self._image_token = getattr(processor, "image_token_id", None)

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Examples with `messages` whose image parts hold images -> the model's inputs, padded on the right, with
        `labels` [rows, tokens]. Raises ValueError where an answer is not found again among the images' tokens."""
        texts, images, labels = [], [], []
        for example in examples:
            messages = example["messages"]
            bare = [_without_images(message) for message in messages]
            text = self._template.render(bare, example["chat_template_kwargs"].get("tools", ()))
            tokenizer = self._processor.tokenizer
            labels.append(text_labels(tokenizer, self._template, text, bare, on_answers=self._on_answers)[:2])
            images.append([part["image"] for turn in messages for part in turn["content"] if part["type"] == "image"])
            texts.append(text)
        given: dict[str, Any] = {"images": images} if any(images) else {}
        if self._multiple is not None:
            given["pad_to_multiple_of"] = self._multiple
        self._processor.tokenizer.padding_side = "right"
        batch = self._processor(text=texts, padding=True, return_tensors="pt", add_special_tokens=False, **given)
        batch["labels"] = torch.full_like(batch["input_ids"], IGNORED)
        for row, (ids, wanted) in enumerate(labels):
            there = batch["input_ids"][row][batch["attention_mask"][row].bool()].tolist()
            carried = carried_labels(ids, wanted, there, all_of_them=self._on_answers)
            batch["labels"][row, : len(there)] = torch.tensor(carried)
        batch["labels"][batch["input_ids"] == self._image_token] = IGNORED
        return dict(batch)


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


def _without_images(message: Message) -> Message:
    content = [{"type": "image"} if part["type"] == "image" else part for part in message["content"]]
    return {**message, "content": content}
