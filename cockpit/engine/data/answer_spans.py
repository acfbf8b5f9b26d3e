"""Where in a rendered conversation the answers stand: what the model must say, and nothing else

An answer begins where a rendering of the turns before it, with the generation prompt, ends; it ends where a rendering
of the turns up to and including it ends, blanks after its end of turn left out. Both are looked for in the few
characters between the words of two turns, which anchors show (anchors.py), so that no word is taken for a mark. As
most conversations of a data set are of few shapes, what was found between two turns is kept for the next row that has
the same there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cockpit.engine.data.anchors import Anchor, Anchored, Read, bare, only, without_lost_reasoning
from cockpit.engine.data.conversation import texts_of
from cockpit.engine.data.markers import Markers, Render, common_beginning
from cockpit.engine.data.message import Message

_PROBE = "Probe7319"
KEPT_AT_MOST = 20_000
"""Of what was found between two turns."""
Tools = Sequence[Mapping[str, Any]]


class Answer(NamedTuple):
    """What the model says in one turn, or in a part of it: characters [begin, end) of the text, the end of the turn
    included. `ended` is False where no end of turn is written."""

    turn: int
    begin: int
    end: int
    ended: bool


class NotExact(Exception):
    """Where the answer of a turn begins or ends cannot be told."""

    def __init__(self, turn: int) -> None:
        super().__init__(turn)
        self.turn = turn


@dataclass(frozen=True)
class _Part:
    """Consecutive anchors of one answer, between those of other turns: [first, last] of all anchors."""

    turn: int
    first: int
    last: int


class AnswerSpans:
    """Finds the answers in what one template writes."""

    def __init__(self, render: Render, markers: Markers, response_part: str | None) -> None:
        """`response_part` is the recipe's own, which stands before each answer; None to find it."""
        self._render = render
        self._markers = markers
        self._response_part = response_part
        self._begins: dict[Any, int | None] = {}
        self._ends: dict[Any, int | None] = {}

    def answers(self, conversation: Anchored, tools: Tools, read: Read) -> list[Answer]:
        """`read` is what the template has written of the conversation. Raises NotExact."""
        anchors, kinds = read.anchors, [_kind(message) for message in conversation.messages]
        found = [self._answer(conversation, tools, read, part, kinds) for part in _parts(anchors, kinds)]
        written = {answer.turn for answer in found}
        for turn, message in enumerate(conversation.messages):
            if message["role"] == "assistant" and turn not in written:
                found.append(self._without_anchors(conversation, tools, read, turn))
        return sorted(found, key=lambda answer: answer.begin)

    def _answer(
        self, conversation: Anchored, tools: Tools, read: Read, part: _Part, kinds: list[tuple[Any, ...]]
    ) -> Answer:
        anchors, turn = read.anchors, part.turn
        first, last = anchors[part.first], anchors[part.last]
        if not (first.place.begins and last.place.ends):
            raise NotExact(turn)
        before_at = anchors[part.first - 1].at if part.first else 0
        after_to = anchors[part.last + 1].at if part.last + 1 < len(anchors) else len(read.text)
        before, after = read.text[before_at : first.at], read.text[last.at : after_to]
        places = (anchor.place for anchor in anchors[max(part.first - 1, 0) : part.last + 1])
        shape = tuple(kinds[: turn + 1]), bool(tools), tuple(places)
        following = anchors[part.last + 1].place if part.last + 1 < len(anchors) else None
        key = (shape, before), (shape, following, after)
        if key[0] not in self._begins:
            _keep(self._begins, key[0], self._begin(conversation, tools, anchors, part, before))
        if key[1] not in self._ends:
            _keep(self._ends, key[1], self._end(conversation, tools, anchors, part, after))
        begin, end = self._begins[key[0]], self._ends[key[1]]
        if begin is None or end is None:
            raise NotExact(turn)
        ended = last.place.what == "calls" or bool(after[:end].strip())
        return Answer(turn, before_at + begin, last.at + end, ended)

    def _begin(
        self, conversation: Anchored, tools: Tools, anchors: list[Anchor], part: _Part, before: str
    ) -> int | None:
        """How much of `before`, all that stands before the answer since the words of another turn, is not the
        model's."""
        if self._response_part is not None:
            return _after(before, self._response_part)
        asked = self._written_before(conversation.messages, anchors, part)
        if (
            found := self._after_prompt(
                self._tail(conversation, tools, anchors, part.first - 1, asked, opens=True), before
            )
        ) is not None:
            return found
        if (found := _after(before, self._markers.response_part)) is not None:
            return found
        # Some go on in the model's turn, as after what a tool has returned, and write no head.
        tail = self._tail(conversation, tools, anchors, part.first - 1, asked, opens=False)
        own = (
            common_beginning(tail, self._followed(conversation, tools, anchors, part.first - 1, asked))
            if tail
            else None
        )
        for end in (tail, own):
            if end is not None and before.startswith(end):
                is_headed = common_beginning(before[len(end) :], self._markers.opening).strip()
                return None if is_headed else len(end)
        return None

    def _followed(
        self, conversation: Anchored, tools: Tools, anchors: list[Anchor], last: int, messages: list[Message]
    ) -> str:
        """As _tail, where another turn like the last one follows: what both have in common is the last one's own."""
        more = [*messages, {**messages[-1], "content": _PROBE}]
        try:
            text, found, _ = self._render(more, tools).rpartition(_PROBE)
        except Exception:
            return ""
        read = conversation.read(text)
        if not found or not read.anchors or read.anchors[-1].number != anchors[last].number:
            return ""
        return read.text[read.anchors[-1].at :]

    def _after_prompt(self, tail: str | None, before: str) -> int | None:
        """`tail` is what the generation prompt ends with. It counts as far as it stands before every answer: what opens
        the reasoning in it is the answer's, as not every prompt says that for the model (enable_thinking)."""
        if tail is None:
            return None
        opening, head = self._markers.opening, self._markers.response_part
        if opening and tail.endswith(opening) and opening.startswith(head):
            tail = tail.removesuffix(opening) + head
        elif before.startswith(tail + head):
            tail += head  # written before the answer, though the prompt has none after what a tool has returned
        return len(tail.rstrip(" ")) if before.startswith(tail) else None

    def _end(self, conversation: Anchored, tools: Tools, anchors: list[Anchor], part: _Part, after: str) -> int | None:
        """How much of `after`, all that stands after the answer's last words until those of another turn, is the
        model's."""
        is_last = part.last + 1 == len(anchors)
        said = self._written_with(conversation.messages, anchors, part)
        tail = self._tail(conversation, tools, anchors, part.last, said, opens=False)
        if tail is None:
            ends = self._markers.end_last if is_last else self._markers.end_inside
            return len(ends) if ends and after.startswith(ends) else None
        if (end := _end_in(after, tail, self._markers, is_last=is_last)) is not None or is_last:
            return end
        # Some go on with the next answer in the same turn, or open another one without closing this.
        body = _body(tail, self._markers)
        next_turn = anchors[part.last + 1].place.turn
        if not after.startswith(body) or conversation.messages[next_turn]["role"] != "assistant":
            return None
        head = self._markers.response_part
        if head and after.startswith(head, len(body)):
            return len(body)
        next_part = _Part(next_turn, part.last + 1, part.last + 1)
        return len(body) if self._begin(conversation, tools, anchors, next_part, after) == len(body) else None

    def _tail(
        self,
        conversation: Anchored,
        tools: Tools,
        anchors: list[Anchor],
        last: int,
        messages: list[Message],
        *,
        opens: bool,
    ) -> str | None:
        """What a rendering of `messages` ends with, after the anchor `last`, which must be its last one; None where it
        is not, or the template refuses them. Reasoning that is written here alone, as where no question follows, is
        left out for it."""
        for given in (messages, without_lost_reasoning(messages, anchors)) if messages else ():
            try:
                read = conversation.read(self._render(given, tools, add_generation_prompt=opens))
            except Exception:
                return None
            if last < 0 and not read.anchors:
                return read.text
            if last >= 0 and read.anchors and read.anchors[-1].number == anchors[last].number:
                return read.text[read.anchors[-1].at :]
        return None

    def _written_before(self, messages: list[Message], anchors: list[Anchor], part: _Part) -> list[Message]:
        """The conversation as far as it is written before the part."""
        turn = part.turn
        latest = max((anchor.place.turn for anchor in anchors[: part.first]), default=0)
        if latest < turn:
            return messages[:turn]
        written = {anchor.place.what for anchor in anchors[: part.first] if anchor.place.turn == turn}
        return [*messages[:turn], only(messages[turn], written), *messages[turn + 1 : latest + 1]]

    def _written_with(self, messages: list[Message], anchors: list[Anchor], part: _Part) -> list[Message]:
        """The conversation as far as it is written with the part."""
        turn = part.turn
        latest = max(anchor.place.turn for anchor in anchors[: part.last + 1])
        written = {anchor.place.what for anchor in anchors[: part.last + 1] if anchor.place.turn == turn}
        later = {anchor.place.what for anchor in anchors[part.last + 1 :] if anchor.place.turn == turn}
        own = only(messages[turn], written) if later - written else messages[turn]
        return [*messages[:turn], own, *messages[turn + 1 : latest + 1]]

    def _without_anchors(self, conversation: Anchored, tools: Tools, read: Read, turn: int) -> Answer:
        """An answer none of whose words are written: by renderings of the turns before it, and with it, in what stands
        between the words of these turns and those of the next ones."""
        messages, anchors = conversation.messages, read.anchors
        last = sum(anchor.place.turn < turn for anchor in anchors) - 1
        if any(anchor.place.turn >= turn for anchor in anchors[: last + 1]):
            raise NotExact(turn)
        at = anchors[last].at if last >= 0 else 0
        text = read.text[at : anchors[last + 1].at if last + 1 < len(anchors) else len(read.text)]
        begin = self._after_prompt(self._tail(conversation, tools, anchors, last, messages[:turn], opens=True), text)
        for own in (messages[turn], bare(messages[turn])):  # its reasoning may be left out where it is not the last one
            said = self._tail(conversation, tools, anchors, last, [*messages[:turn], own], opens=False)
            if begin is None or said is None or not said.startswith(text[:begin]):
                continue
            end = _end_in(text[begin:], said[begin:], self._markers, is_last=turn + 1 == len(messages))
            if end is not None:
                return Answer(turn, at + begin, at + begin + end, ended=bool(text[begin : begin + end].strip()))
        raise NotExact(turn)


def _parts(anchors: list[Anchor], kinds: list[tuple[Any, ...]]) -> list[_Part]:
    """The answers' parts in the order of the text."""
    parts: list[_Part] = []
    before = -1
    for number, anchor in enumerate(anchors):
        turn = anchor.place.turn
        if kinds[turn][0] == "assistant":
            if turn == before:
                parts[-1] = _Part(turn, parts[-1].first, number)
            else:
                parts.append(_Part(turn, number, number))
        before = turn
    return parts


def _end_in(after: str, tail: str, markers: Markers, *, is_last: bool) -> int | None:
    """How much of `after` is the model's, where a rendering that ends with the answer ends with `tail`: that writes the
    end of a conversation, in whose place the end of an answer stands inside one."""
    tail = tail.rstrip()
    if is_last:
        return len(tail) if after.startswith(tail) else None
    for end in (_body(tail, markers) + markers.end_inside, tail):
        if (end or not markers.end_inside) and after.startswith(end):
            return len(end.rstrip())
    return None


def _body(tail: str, markers: Markers) -> str:
    """`tail` without the end of a conversation."""
    tail, last = tail.rstrip(), markers.end_last
    return tail[: len(tail) - len(last)] if last and tail.endswith(last) else tail


def _after(before: str, head: str) -> int | None:
    """Where `head` ends in `before`, if it stands there once; a blank that ends it is the answer's."""
    if not head.strip() or before.count(head) != 1:
        return None
    return before.index(head) + len(head.rstrip(" "))


def _kind(message: Message) -> tuple[Any, ...]:
    """What a template may look at in a turn beside its words."""
    words = any(text.strip() for text in texts_of(message)) if message["content"] is not None else None
    return message["role"], words, len(message.get("tool_calls") or ()), tuple(message)


def _keep(kept: dict[Any, int | None], key: Any, value: int | None) -> None:
    if len(kept) >= KEPT_AT_MOST:
        kept.clear()
    kept[key] = value
