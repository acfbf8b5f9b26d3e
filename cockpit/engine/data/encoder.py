"""Conversations and texts -> tokens and labels"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from cockpit.engine.data.anchors import LeftOut
from cockpit.engine.data.chat_template import ChatTemplate, Written
from cockpit.engine.data.conversation import Conversation
from cockpit.engine.data.template_notes import TemplateNotes
from cockpit.engine.data.token_rows import IGNORED, NO_SIDE
from cockpit.engine.errors import RunFailure
from cockpit.recipe.recipe import Recipe

Say = Callable[[str], None]
Offsets = list[tuple[int, int]]
"""Where tokens stand in their text: characters [begin, end)."""


@dataclass(frozen=True)
class EncodedRow:
    """A row as tokens, cut to length. `refusal` is the end of a sentence where it cannot be trained on, else empty;
    a row that is refused before it is tokenized has no tokens.
    """

    where: str
    refusal: str = ""
    text: str = ""
    input_ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    offsets: Offsets = field(default_factory=list)
    """Not cut. A special token that stands in no text has an empty span."""
    whole_tokens: int = 0
    """Tokens before the cut."""
    left_out: list[LeftOut] = field(default_factory=list)
    """Words, reasoning and calls that the chat template has not written."""
    head: int = 0
    """Characters before the first answer."""
    digest: int = 0
    """Of the whole text of the row, 64 bits, also where this is a piece of it."""
    signature: bytes = b""
    """Likewise, where nearly equal rows are looked for."""
    is_dropped: bool = False
    """Whether it is refused because the recipe asks to leave such rows out."""
    side: int = NO_SIDE
    """BETTER or WORSE, of a pair or by its mark; NO_SIDE for a row that is neither."""
    swapped: bool = False
    """Whether the row's own scores say that the worse answer of the pair is the better."""
    mirror: int = 0
    """The digest that the pair would have the other way round; 0 for a row that is no pair."""

    @property
    def is_untrained(self) -> bool:
        """Whether no loss is taken on any of its tokens; the first is never predicted."""
        return all(label == IGNORED for label in self.labels[1:])


class Encoder:
    """Conversations and texts -> tokens and labels."""

    def __init__(self, recipe: Recipe, tokenizer: Any, length: int | None, say: Say) -> None:
        """Rows are cut to `length` tokens, and refused where nothing of that is learnt; None for neither."""
        self._data, self._is_pretraining = recipe.data, recipe.method == "pretraining"
        self._tokenizer = tokenizer
        self._length = length
        self._say = say
        self._template: ChatTemplate | None = None
        self._notes = TemplateNotes(say)
        self._texts_told = False

    def encode(self, batch: list[tuple[str, Conversation | str]]) -> Iterator[EncodedRow]:
        """The rows as tokens, those that cannot be trained on too; keeps nothing. Raises RunFailure."""
        drawn: list[tuple[str, Written, Offsets, bool]] = []
        for where, conversation in batch:
            try:
                if isinstance(conversation, str):
                    written, spans = Written(conversation), self._spans_of_text(conversation)
                else:
                    written, spans = self._written(conversation)
                refusal = half_character(written.text)
            except ValueError as error:
                refusal = str(error)
            if refusal:
                yield EncodedRow(where, refusal)
            else:
                drawn.append((where, written, spans, isinstance(conversation, str)))
        if not drawn:
            return
        encoded = self._tokenizer(
            [written.text for _, written, _, _ in drawn],
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
        for (where, written, spans, bare), ids, found in zip(
            drawn, encoded["input_ids"], encoded["offset_mapping"], strict=True
        ):
            row = (ids, masked(ids, found, spans), found)
            whole, labels, offsets = self._closed(*row) if bare else self._begun_once(*row)
            labels, refusal = labels[: self._length], ""
            if written.untrained and not spans:
                refusal = "none of its answers is to be trained, by their weights"
            elif self._length is not None and all(label == IGNORED for label in labels[1:]):
                refusal = f"no token of an answer stands within its first {self._length:,} tokens"
            yield EncodedRow(
                where,
                refusal,
                written.text,
                whole[: self._length],
                labels,
                offsets,
                whole_tokens=len(whole),
                left_out=written.left_out,
                head=written.answers[0].begin if written.answers else 0,
            )

    def _written(self, conversation: Conversation) -> tuple[Written, list[tuple[int, int]]]:
        """The text, and where in it the loss is taken. Raises ValueError where the template refuses the turns."""
        if conversation.images:
            raise ValueError("it has an image, and the rows before it have none")
        template = self.template()
        written = template.written(conversation, self._data.train_on)
        self._notes.row(written, template)
        return written, written.trained(self._data.train_on)

    def template(self) -> ChatTemplate:
        """The tokenizer's chat template, found when it is first asked for. Raises RunFailure where there is none."""
        if self._template is None:
            if not self._tokenizer.chat_template:
                raise RunFailure(
                    "The model's tokenizer has no chat template, and the data holds conversations.",
                    "Set data.chat_template to one of Unsloth's, such as chatml.",
                )
            try:
                self._template = ChatTemplate(
                    self._tokenizer,
                    self._data.instruction_part,
                    self._data.response_part,
                    keep_reasoning=self._data.keep_reasoning,
                )
            except ValueError as error:
                raise RunFailure(str(error), "Set data.chat_template to another one.") from error
            self._notes.template(self._template)
        return self._template

    def _spans_of_text(self, text: str) -> list[tuple[int, int]]:
        """A plain text has answers only where the recipe says what they begin with; else all of it is learnt."""
        if self._data.train_on == "all" or self._is_pretraining:
            return [(0, len(text))]
        if self._data.response_part:
            return marked_spans(text, self._data.instruction_part or "", self._data.response_part)
        if not self._texts_told:
            self._texts_told = True
            self._say("Plain texts have no answers apart, so the loss is taken on the whole of them.")
        return [(0, len(text))]

    def _begun_once(self, ids: list[int], labels: list[int], offsets: Offsets) -> tuple[list[int], list[int], Offsets]:
        """The row without a second beginning-of-text token, which a template can write beside a row's own."""
        begin = self._tokenizer.bos_token_id
        while begin is not None and ids[:2] == [begin, begin]:
            ids, labels, offsets = ids[1:], labels[1:], offsets[1:]
        return ids, labels, offsets

    def _closed(self, ids: list[int], labels: list[int], offsets: Offsets) -> tuple[list[int], list[int], Offsets]:
        """A plain text between the special tokens that begin and end a text."""
        begin, end = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        ids, labels, offsets = self._begun_once(ids, labels, offsets)
        if begin is not None and ids[:1] != [begin] and self._tokenizer("a")["input_ids"][:1] == [begin]:
            ids, labels, offsets = [begin, *ids], [IGNORED, *labels], [(0, 0), *offsets]
        if end is not None and ids[-1:] != [end]:
            at = offsets[-1][1] if offsets else 0
            ids, offsets = [*ids, end], [*offsets, (at, at)]
            labels = [*labels, end if labels[-1:] != [IGNORED] else IGNORED]
        return ids, labels, offsets


def half_character(text: str) -> str:
    """What is wrong with a text that holds a lone surrogate, which no tokenizer takes; empty where all is whole."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        written = f"\\u{ord(text[error.start]):04x}"  # as in JSON
        return f"its text holds half a character ({written}), as a cut emoji leaves one"
    return ""


def masked(ids: list[int], offsets: list[tuple[int, int]], spans: list[tuple[int, int]]) -> list[int]:
    """`ids` as labels, IGNORED where a token does not stand wholly in one of `spans`.

    `offsets` are the tokens' own [begin, end) in the text; both lists ascend.
    """
    labels = [IGNORED] * len(ids)
    for begin, end in spans:
        first = bisect_left(offsets, begin, key=itemgetter(0))
        beyond = bisect_right(offsets, end, key=itemgetter(1))
        labels[first:beyond] = ids[first:beyond]
    return labels


def marked_spans(text: str, instruction_part: str, response_part: str) -> list[tuple[int, int]]:
    """What stands between each `response_part` and the next `instruction_part` (or the end): [begin, end).

    Blanks that end the `response_part` are the answer's, as in ChatTemplate.answer_spans.
    """
    spans = []
    at = text.find(response_part)
    while at >= 0:
        begin = at + len(response_part.rstrip(" "))
        turn = text.find(instruction_part, begin) if instruction_part else -1
        end = turn if turn >= 0 else len(text)
        spans.append((begin, end))
        at = text.find(response_part, end)
    return spans
