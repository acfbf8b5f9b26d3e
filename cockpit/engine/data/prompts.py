"""Prompts that a method answers itself: as the chat template writes them, and as the trainer draws them"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import xxhash

from cockpit.engine.data.conversation import Content, Prompt
from cockpit.engine.data.encoder import EncodedRow, Say, half_character
from cockpit.engine.data.token_rows import IGNORED, Integers
from cockpit.engine.errors import RunFailure
from cockpit.recipe.recipe import Recipe

Row = dict[str, Any]


class PromptEncoder:
    """Prompts -> tokens, none of which is learnt; one that leaves no room for a completion is refused."""

    def __init__(self, recipe: Recipe, tokenizer: Any, length: int, say: Say, *, near: bool) -> None:
        """`length`: the most tokens of a prompt with its completion."""
        self._tokenizer, self._length, self._grpo = tokenizer, length, recipe.grpo
        self._drops = recipe.data.long_rows == "drop"

    def encode(self, batch: list[tuple[str, Content]]) -> Iterator[list[EncodedRow]]:
        """Each row. Raises RunFailure where the tokenizer has no chat template."""
        if not self._tokenizer.chat_template:
            raise RunFailure(
                "The model's tokenizer has no chat template, and the prompts are put by it.",
                "Set data.chat_template to one of Unsloth's, such as chatml.",
            )
        for where, content in batch:
            assert isinstance(content, Prompt)
            yield [self._encoded(where, content)]

    def _encoded(self, where: str, prompt: Prompt) -> EncodedRow:
        thinking = {} if self._grpo.enable_thinking is None else {"enable_thinking": self._grpo.enable_thinking}
        try:
            text = self._tokenizer.apply_chat_template(
                prompt.messages, tokenize=False, add_generation_prompt=True, **thinking
            )
            refusal = half_character(text)
        except Exception as error:  # whatever a template raises of roles that it does not take
            return EncodedRow(where, f"the chat template refuses it ({str(error)[:80]})")
        if refusal:
            return EncodedRow(where, refusal)
        made = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        ids = made["input_ids"]
        row = EncodedRow(
            where,
            text=text,
            input_ids=ids,
            labels=[IGNORED] * len(ids),
            offsets=made["offset_mapping"],
            whole_tokens=len(ids),
            digest=xxhash.xxh3_64_intdigest((text + _json(prompt.columns)).encode(errors="replace")),
        )
        if len(ids) <= self._length - self._grpo.max_completion_length:
            return row
        wrong = f"its {len(ids):,} tokens leave no room for a completion of {self._grpo.max_completion_length:,}"
        return replace(row, refusal=f"{wrong} within {self._length:,}", is_dropped=self._drops)


class Prompts:
    """The prompts `order`: a map-style dataset of what TRL takes, with the other columns for the rewards."""

    def __init__(self, rows: list[Prompt], order: Integers) -> None:
        self._rows, self._order = rows, np.asarray(order)

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, at: int) -> Row:
        """prompt as turns, and the columns under their own names."""
        row = self._rows[int(self._order[at])]
        return {**row.columns, "prompt": row.messages}


class PromptRows:
    """Prompts as they are read, and what the choice among them is made by."""

    def __init__(self) -> None:
        self.rows: list[Prompt] = []
        self.lengths: list[int] = []
        self._digests: list[int] = []

    def add(self, prompt: Prompt, encoded: EncodedRow) -> None:
        """One that is of use."""
        self.rows.append(prompt)
        self.lengths.append(len(encoded.input_ids))
        self._digests.append(encoded.digest)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def numbers(self) -> Integers:
        """Each is a row."""
        return np.arange(len(self.rows))

    @property
    def digests(self) -> Integers:
        """uint64, of each."""
        return np.asarray(self._digests, np.uint64)

    def signatures(self) -> Integers:
        """Nearly equal prompts are not looked for."""
        return np.zeros((len(self.rows), 0), np.uint32)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
