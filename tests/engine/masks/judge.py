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

    def __init__(self, name: str, template: str, tokenizer: Any = None, *, keep_reasoning: bool = False) -> None:
        """`tokenizer`: a real one; a tiny one where none is given."""
        self.tokenizer = tokenizer_for(name, template, tokenizer)
        self._speech = speech_of(name)
        self._keep_reasoning = keep_reasoning
        changes = {"model__max_seq_length": LENGTH, "data__keep_reasoning": keep_reasoning}
        text = tiny.recipe_text(Path("m"), Path("rows"), backend="transformers", **changes)
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
        if self._keep_reasoning and (turn := self._lost_reasoning(row, pair.own)) is not None:
            return Verdict("wrong", f"the reasoning of turn {turn} is gone, and not named")
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
            own_text = self._own_text(written)
        except Exception as error:
            raise Unjudged("the template refuses the words") from error
        return trained_spans(text, own_text, shifted, written.messages, self._speech, self.tokenizer.eos_token)

    def _own_text(self, written: Conversation) -> str:
        """What the product writes of a conversation that is adapted already. Raises what the template raises."""
        if self._keep_reasoning:
            return self._template.written(written).text
        return self._template.render(written.messages, written.tools)

    def _lost_reasoning(self, row: EncodedRow, own: Conversation) -> int | None:
        """A turn whose reasoning is neither in the text that is written of it nor named; None where there is none."""
        try:
            written = self._template.adapted(own)
            text = self._own_text(written)
        except Exception:
            return None  # told where the words are judged
        added = len(written.messages) - len(own.messages)
        named = {one.turn - added for one in row.left_out if one.what == "reasoning"}
        for turn, message in enumerate(own.messages):
            thought = message.get("reasoning_content") or _tagged(message)
            if thought and thought not in text and turn not in named:
                return turn
        return None


def _tagged(message: dict[str, Any]) -> str:
    """What stands between <think> and </think> in the words of a turn; empty where nothing does."""
    _, opened, rest = message["content"].partition("<think>")
    return rest.partition("</think>")[0].strip() if opened else ""
