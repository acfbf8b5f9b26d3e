"""The chat template as training and chat both use it: rendering, and where in the text the answers stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cockpit.engine.data.anchors import Anchored, Read, What, Where
from cockpit.engine.data.answer_spans import Answer, AnswerSpans, NotExact, Tools
from cockpit.engine.data.conversation import Conversation, Message
from cockpit.engine.data.deadline import deadline
from cockpit.engine.data.generation_marks import marked_answers
from cockpit.engine.data.markers import find_markers
from cockpit.engine.data.tool_turns import ToolTurns
from cockpit.engine.errors import first_line
from cockpit.recipe.data import TrainOn

RENDER_S = 20.0
"""The most that a conversation may take; usual ones take a thousandth of a second."""


@dataclass(frozen=True)
class Written:
    """A conversation as the template writes it. `left_out` are (turn, what) of words, reasoning and calls that are not
    in the text; turns count from 0, in the conversation as it was adapted, whose `untrained` ones are named too."""

    text: str
    answers: list[Answer] = field(default_factory=list)
    left_out: list[tuple[int, What]] = field(default_factory=list)
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

    def __init__(self, tokenizer: Any, instruction_part: str | None = None, response_part: str | None = None) -> None:
        """`tokenizer` has a chat_template. The parts are found where they are not given.

        Raises ValueError with a sentence where the template cannot render a question and its answer.
        """
        self._tokenizer = tokenizer
        self._in_parts = False
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

    def render(self, messages: Sequence[Message], tools: Tools = (), **more: Any) -> str:
        """The conversation, answers included. Raises DeadlinePassed where the template loops, and whatever it raises
        for turns that it does not take."""
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
        unknown = None
        for where in (Where.EVERYWHERE, Where.WORDS, Where.NOWHERE):
            anchored = Anchored(messages, text, where)
            read = self._read(anchored, tools)
            if read is None or read.text != text:
                continue
            try:
                answers = self._spans.answers(anchored, tools, read)
            except NotExact as error:
                unknown = error.turn
                marked = marked_answers(self._tokenizer, anchored, tools, read)
                if marked is None:
                    continue
                answers = marked
            return Written(text, answers, anchored.left_out(read), adapted.untrained)
        if train_on == "all" and not adapted.untrained:
            return Written(text)
        where_ends = f"the answer of turn {unknown + 1} begins and ends" if unknown is not None else "its answers stand"
        raise ValueError(f"it cannot be told where {where_ends} in what the chat template writes of it")

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
