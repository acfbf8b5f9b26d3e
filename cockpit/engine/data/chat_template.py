"""The chat template as training and chat both use it: rendering, and where in the text the answers stand."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cockpit.engine.data.anchors import Anchored, LeftOut, Read, Where
from cockpit.engine.data.answer_spans import Answer, AnswerSpans, NotExact, Tools
from cockpit.engine.data.conversation import Conversation
from cockpit.engine.data.deadline import deadline
from cockpit.engine.data.generation_marks import marked_answers
from cockpit.engine.data.kept_reasoning import CLOSES, OPENS, TURNS, keeping_variable, with_reasoning
from cockpit.engine.data.markers import find_markers
from cockpit.engine.data.message import Message
from cockpit.engine.data.tool_turns import ToolTurns
from cockpit.engine.errors import first_line
from cockpit.recipe.data import TrainOn

RENDER_S = 20.0
"""The most that a conversation may take; usual ones take a thousandth of a second."""


@dataclass(frozen=True)
class Written:
    """A conversation as the template writes it. `left_out` are words, reasoning and calls that are not in the text.
    Turns count from 0, in the conversation as it was adapted, whose `untrained` ones are named too."""

    text: str
    answers: list[Answer] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    untrained: frozenset[int] = frozenset()

    def trained(self, train_on: TrainOn) -> list[tuple[int, int]]:
        """Where the loss is taken: characters [begin, end), ascending; never on an untrained turn."""
        if train_on != "all":
            last = max((one.turn for one in self.answers), default=0)
            turns = {one.turn for one in self.answers if train_on == "answers" or one.turn == last} - self.untrained
            return [(one.begin, one.end) for one in self.answers if one.turn in turns]
        spans, at = [], 0
        for answer in self.answers:
            if answer.turn in self.untrained:
                spans.append((at, answer.begin))
                at = answer.end
        return [*spans, (at, len(self.text))]


class ChatTemplate:
    """A tokenizer's template. Rendered text holds its own special tokens: none are added when it is tokenized."""

    def __init__(
        self,
        tokenizer: Any,
        instruction_part: str | None = None,
        response_part: str | None = None,
        *,
        keep_reasoning: bool = False,
    ) -> None:
        """`tokenizer` has a chat_template. The parts are found where they are not given. With `keep_reasoning`, what
        the template leaves out of earlier answers is put back, where it can be.

        Raises ValueError with a sentence where the template cannot render a question and its answer.
        """
        self._tokenizer = tokenizer
        self._in_parts = False
        self._always: dict[str, Any] = {}
        try:
            self.markers = find_markers(self.render)
        except Exception as error:
            self._in_parts = True  # as templates of vision models may want it
            try:
                self.markers = find_markers(self.render)
            except Exception:
                raise ValueError(f"The model's chat template cannot render a conversation: {error}") from error
        self._tool_turns = ToolTurns(self.render)
        self._spans = AnswerSpans(self.render, self.markers, response_part)
        own = {"instruction_part": instruction_part, "response_part": response_part}
        self.markers = replace(self.markers, **{name: part for name, part in own.items() if part})
        self._keep_reasoning = keep_reasoning
        if keep_reasoning:
            self._always = keeping_variable(self.render, self._source)

    def render(self, messages: Sequence[Message], tools: Tools = (), **more: Any) -> str:
        """The conversation, answers included. Raises DeadlinePassed where the template loops, and whatever it raises
        for turns that it does not take."""
        more = {**self._always, **more}
        if tools:
            more["tools"] = list(tools)
        if self._in_parts:
            messages = [in_parts(message, empty=True) for message in messages]
        with deadline(RENDER_S):
            return str(self._tokenizer.apply_chat_template(list(messages), tokenize=False, **more))

    def prompt(self, messages: list[Message], enable_thinking: bool) -> str:
        """The conversation up to where the model is to answer."""
        return self.render(messages, add_generation_prompt=True, enable_thinking=enable_thinking)

    def adapted(self, conversation: Conversation) -> Conversation:
        """The conversation as the template can write it: its tools, calls and results as it takes them."""
        return self._tool_turns.adapted(conversation)

    def written(self, conversation: Conversation, train_on: TrainOn = "answers") -> Written:
        """The conversation's text, and where its answers stand.

        Raises ValueError with the end of a sentence where the template refuses the turns, or where it cannot
        be told what of the text is an answer and `train_on` or a turn without loss needs it.
        """
        try:
            adapted = self.adapted(conversation)
            messages, tools = adapted.messages, adapted.tools
            text = self.render(messages, tools)
        except Exception as error:
            raise ValueError(f"the chat template refuses it ({first_line(error)})") from error
        try:
            anchored, read, answers = self._answers(messages, tools, text)
        except NotExact as error:
            if train_on == "all" and not adapted.untrained:
                return Written(text)
            which = f"the answer of turn {error.turn + 1} begins and ends" if error.turn >= 0 else "its answers stand"
            raise ValueError(f"it cannot be told where {which} in what the chat template writes of it") from error
        left_out = anchored.left_out(read)
        if self._keep_reasoning and left_out:
            alone = functools.partial(self._alone, anchored, messages, tools)
            has_tags = OPENS in self._source and CLOSES in self._source
            text, answers, left_out = with_reasoning(messages, read, answers, left_out, alone, has_tags=has_tags)
        return Written(text, answers, left_out, adapted.untrained)

    @functools.cached_property
    def can_keep_reasoning(self) -> bool:
        """Whether the reasoning of all answers can be kept, by this template or by one like it that does."""
        try:
            keeping = self if self._keep_reasoning else ChatTemplate(self._tokenizer, keep_reasoning=True)
            return not keeping.written(Conversation(TURNS)).left_out
        except ValueError:
            return False

    @property
    def _source(self) -> str:
        template = self._tokenizer.chat_template
        return template if isinstance(template, str) else ""

    def _answers(self, messages: list[Message], tools: Tools, text: str) -> tuple[Anchored, Read, list[Answer]]:
        """The answers in `text`, which the template has written of the turns. Raises NotExact."""
        unknown = NotExact(-1)
        for where in (Where.EVERYWHERE, Where.WORDS, Where.NOWHERE):
            anchored = Anchored(messages, text, where)
            read = self._read(anchored, tools)
            if read is None or read.text != text:
                continue
            try:
                return anchored, read, self._spans.answers(anchored, tools, read)
            except NotExact as error:
                unknown = error
            if (marked := marked_answers(self._tokenizer, anchored, tools, read)) is not None:
                return anchored, read, marked
        raise unknown

    def _alone(
        self, anchored: Anchored, messages: list[Message], tools: Tools, turn: int
    ) -> tuple[Read, list[Answer]] | None:
        """The conversation as far as `turn`, as it is written; None where that, or its answers, cannot be told."""
        part = anchored.until(turn)
        read = self._read(part, tools)
        try:
            if read is None or read.text != self.render(messages[: turn + 1], tools):
                return None
            return read, self._spans.answers(part, tools, read)
        except Exception:
            return None

    def _read(self, anchored: Anchored, tools: Tools) -> Read | None:
        """What is written of the conversation with its anchors; None where the template refuses them."""
        try:
            return anchored.read(self.render(anchored.messages, tools))
        except Exception:
            return None


def in_parts(message: Message, *, empty: bool = False) -> Message:
    """The turn with its content as a list of parts; with `empty`, of one where there are no words."""
    content = message["content"]
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content or empty else []
    return {**message, "content": content}
