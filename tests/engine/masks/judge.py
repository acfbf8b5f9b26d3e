"""A row as cockpit encodes it, against the oracle"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from cockpit.engine.data.conversation import Conversation
from cockpit.engine.data.encoder import EncodedRow, Encoder
from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny
from tests.engine.masks.conversations import Twice, without_blanks
from tests.engine.masks.oracle import Unjudged, trained_spans, trained_tokens, wanted_tokens
from tests.engine.masks.templates import speech_of, tokenizer_for

LENGTH = 1_000_000


class Verdict(NamedTuple):
    """`refused`: by the template. `left out`: by cockpit, which has named the row. `unjudged`: no oracle can tell."""

    outcome: Literal["exact", "wrong", "left out", "refused", "unjudged"]
    why: str = ""


class Judge:
    """Judges rows of one template."""

    def __init__(self, name: str, template: str, tokenizer: Any = None) -> None:
        """`tokenizer`: a real one; a tiny one where none is given."""
        self.tokenizer = tokenizer_for(name, template, tokenizer)
        self._speech = speech_of(name)
        text = tiny.recipe_text(Path("m"), Path("rows"), backend="transformers", model__max_seq_length=LENGTH)
        self._encoder = Encoder(RecipeDocument.parse(text, "test").recipe(), self.tokenizer, LENGTH, lambda text: None)
        self._template = self._encoder.template()

    def judge(self, pair: Twice) -> Verdict:
        """What became of the conversation."""
        (row,) = self._encoder.encode([("row", pair.real)])
        if row.refusal.startswith("the chat template refuses it"):
            return Verdict("refused", row.refusal)
        if row.refusal:
            return Verdict("left out", row.refusal)
        try:
            return self._compared(row, pair)
        except Unjudged as error:
            return Verdict("unjudged", str(error))

    def _compared(self, row: EncodedRow, pair: Twice) -> Verdict:
        try:
            spans = self._wanted(row.text, pair, pair.own)
        except Unjudged:  # some write otherwise where there are no words
            spans = self._wanted(row.text, pair, without_blanks(pair))
        wanted, trained = wanted_tokens(row, spans), trained_tokens(row)
        if wanted == trained:
            return Verdict("exact")
        decode = self.tokenizer.decode
        more = decode([row.input_ids[at] for at in sorted(trained - wanted)])
        less = decode([row.input_ids[at] for at in sorted(wanted - trained)])
        return Verdict("wrong", f"trained too: {more!r}, not trained: {less!r}")

    def _wanted(self, text: str, pair: Twice, own: Conversation) -> list[tuple[int, int]]:
        """Where the loss should be taken, by the conversation with words of its own. Raises Unjudged."""
        written = self._template.adapted(own)
        added = len(written.messages) - len(own.messages)
        shifted = replace(pair, owner=[turn + added for turn in pair.owner])
        try:
            own_text = self._template.render(written.messages, written.tools)
        except Exception as error:
            raise Unjudged("the template refuses the words") from error
        return trained_spans(text, own_text, shifted, written.messages, self._speech, self.tokenizer.eos_token)
