"""Conversations with images: checked, measured, and kept so that an image is opened only when its row is trained on"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from cockpit.engine.compat.private_names import image_tokens
from cockpit.engine.data.chat_template import ChatTemplate, Written, in_parts
from cockpit.engine.data.conversation import Conversation
from cockpit.engine.data.duplicates import PERMUTATIONS
from cockpit.engine.data.encoder import Offsets, half_character, masked
from cockpit.engine.data.images import image_size, open_image, stored_image
from cockpit.engine.data.message import Message
from cockpit.engine.data.template_notes import TemplateNotes
from cockpit.engine.data.token_rows import IGNORED, Integers
from cockpit.engine.errors import first_line
from cockpit.recipe.data import TrainOn

SCHEMA = pa.schema(
    {
        "messages": pa.large_string(),
        "tools": pa.large_string(),
        "text": pa.large_string(),
        "trained": pa.large_list(pa.int64()),
        "images": pa.large_list(pa.struct({"bytes": pa.large_binary(), "path": pa.large_string()})),
    }
)


@dataclass(frozen=True)
class MeasuredRow:
    """A conversation with images as tokens, its images still single placeholders. `refusal` is the end of a sentence
    where it cannot be trained on, else empty."""

    refusal: str
    written: Written
    input_ids: list[int]
    labels: list[int]
    offsets: Offsets
    messages: list[Message]
    tools: list[dict[str, Any]]
    images: list[dict[str, Any]]
    image_tokens: int
    """Tokens that the images take beside their placeholders."""


class ImageRows:
    """Rows for a vision model. They are not tokenized: that is done a batch at a time, with the images."""

    def __init__(
        self,
        processor: Any,
        template: ChatTemplate,
        length: int,
        *,
        train_on: TrainOn,
        widest: int | None,
        say: Callable[[str], None],
    ):
        """`length`: the most tokens of a row. `widest`: images are made at most so many pixels wide; None for never."""
        self._processor = processor
        self._template = template
        self._length = length
        self._train_on = train_on
        self._widest = widest
        self._notes = TemplateNotes(say)
        self._notes.template(template)
        self._rows: list[dict[str, Any]] = []
        self._tokens: list[int] = []
        self._trained: list[int] = []
        self._digest = hashlib.sha256()
        self._digests: list[int] = []
        self._beside: int | None = None
        """Tokens that an image has beside those that the processor tells of, seen on the first one."""

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, conversation: Conversation, folder: Path) -> None:
        """Take a row in. Raises ValueError with the end of a sentence where it cannot be trained on."""
        row = self.measured(conversation, folder)
        if row.refusal:
            raise ValueError(row.refusal)
        turns = json.dumps(row.messages)
        trained = [edge for span in row.written.trained(self._train_on) for edge in span]
        kept = {"messages": turns, "tools": json.dumps(row.tools), "text": row.written.text, "trained": trained}
        self._rows.append({**kept, "images": row.images})
        self._tokens.append(len(row.input_ids) + row.image_tokens)
        self._trained.append(sum(label != IGNORED for label in row.labels[1:]))
        for image in row.images:
            self._digest.update(_content(image))
        self._digest.update(turns.encode())
        self._digests.append(self.digest_of(row))

    def measured(self, conversation: Conversation, folder: Path) -> MeasuredRow:
        """The row as tokens and as it would be kept; keeps nothing. Raises ValueError with the end of a sentence where
        the template or an image is no good."""
        images = [stored_image(one, folder) for one in conversation.images]
        sizes = [image_size(one) for one in images]
        try:
            adapted = self._template.adapted(conversation)
            messages = [in_parts(message) for message in adapted.messages]
        except Exception as error:
            raise ValueError(f"the chat template refuses it ({first_line(error)})") from error
        written = self._template.written(replace(adapted, messages=messages), train_on=self._train_on)
        self._notes.row(written, self._template)
        text = written.text
        if half := half_character(text):
            raise ValueError(half)
        ids, labels, offsets = text_labels(self._processor.tokenizer, text, written.trained(self._train_on))
        row = MeasuredRow("", written, ids, labels, offsets, messages, adapted.tools, images, 0)
        if not any(label != IGNORED for label in labels[1:]):
            return replace(row, refusal="no token of an answer is found in it")
        if images and self._beside is None:
            opened = [open_image(one) for one in images]
            whole = self._processor(text=[text], images=[opened], add_special_tokens=False)["input_ids"][0]
            self._beside = (len(whole) - len(ids) - self._told_tokens(sizes)) // len(images)
        seen = self._told_tokens(sizes) + (self._beside or 0) * len(images)
        refusal = ""
        if len(ids) + seen > self._length:
            refusal = (
                f"its {len(ids) + seen:,} tokens, {seen:,} of them its image's, do not fit training.max_length "
                f"({self._length:,}), and a row with an image cannot be cut"
            )
        return replace(row, refusal=refusal, image_tokens=seen)

    def tokens(self, rows: Iterable[int]) -> int:
        """Tokens of the rows `rows`, as far as the processor tells how many an image has."""
        return sum(self._tokens[row] for row in rows)

    def trained_tokens(self, rows: Iterable[int]) -> int:
        """Tokens of the rows `rows` that a loss is taken on."""
        return sum(self._trained[row] for row in rows)

    def digest_of(self, row: MeasuredRow) -> int:
        """Of its turns and images, 64 bits."""
        digest = xxhash.xxh3_64(json.dumps(row.messages).encode())
        for image in row.images:
            digest.update(_content(image))
        return int(digest.intdigest())

    @property
    def numbers(self) -> Integers:
        """Of each row, counted from 0."""
        return np.arange(len(self))

    @property
    def digests(self) -> Integers:
        """Of each row's turns and images (uint64)."""
        return np.asarray(self._digests, np.uint64)

    def signatures(self) -> Integers:
        """Of each row, alike only where rows are equal: what words say of an image tells nothing of the image."""
        return np.tile(self.digests.view("<u4").reshape(len(self), 2), PERMUTATIONS // 2)

    def sha256(self) -> str:
        """Of all turns and images."""
        return self._digest.hexdigest()

    def dataset(self, order: Iterable[int]) -> Any:
        """A dataset of the rows `order`; each of its rows has `messages` whose image parts hold opened images."""
        from datasets import Dataset

        table = pa.Table.from_pylist([self._rows[row] for row in order], schema=SCHEMA)
        return Dataset(table).with_transform(opened_rows)

    def _told_tokens(self, sizes: list[tuple[int, int]]) -> int:
        """Tokens of images of these sizes, without the special tokens around them; 0 where that is not known."""
        if not sizes:
            return 0
        fitted = []
        for width, height in sizes:
            scale = min(1.0, self._widest / width) if self._widest else 1.0
            fitted.append((max(1, int(height * scale)), max(1, int(width * scale))))
        return image_tokens(self._processor, fitted)


def _content(image: Mapping[str, Any]) -> bytes:
    """Of an image's file."""
    return image["bytes"] if image["bytes"] is not None else Path(image["path"]).read_bytes()


def opened_rows(batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """The rows of a batch as collators take them, their images opened; `trained` holds pairs of characters [begin, end)
    of `text`, where the loss is taken. Raises ValueError for an image that is damaged."""
    conversations, options = [], []
    for messages, tools, images in zip(batch["messages"], batch["tools"], batch["images"], strict=True):
        opened = iter([open_image(one) for one in images])
        turns = json.loads(messages)
        for turn in turns:
            for part in turn["content"]:
                if part["type"] == "image":
                    part["image"] = next(opened)
        conversations.append(turns)
        declared = json.loads(tools)
        options.append({"tools": declared} if declared else {})
    turns = {"messages": conversations, "chat_template_kwargs": options}
    return {**turns, "text": list(batch["text"]), "trained": list(batch["trained"])}


def text_labels(tokenizer: Any, text: str, spans: list[tuple[int, int]]) -> tuple[list[int], list[int], Offsets]:
    """Tokens, labels in `spans`, and the tokens' offsets in the text, of a conversation with a placeholder for each
    image."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    ids = list(encoded["input_ids"])
    offsets: Offsets = encoded["offset_mapping"]
    return ids, masked(ids, offsets, spans), offsets
