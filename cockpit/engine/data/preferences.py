"""One row of a dataset -> a better and a worse answer, or an answer that is marked as desired or not"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from cockpit.data.other_methods import SCORES, is_mark, is_ranking
from cockpit.data.row_layout import has_value
from cockpit.data.turn_shapes import is_answer, is_any_turn, turns_in
from cockpit.engine.data.conversation import Content, Conversation, Conversations, Maker, Marked, Pair, Prompt

TRANSCRIPT = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")
"""What begins a turn of a conversation that is written as one text."""
SPEAKERS = {"Human": "user", "Assistant": "assistant"}
WORDS = ("content", "text", "response", "answer", "output", "completion", "value")
"""Where the words of an answer with a score stand."""
PARTS_OF_SIDES = ("chosen", "rejected", "ranked", "label", "chosen_score", "rejected_score")
EQUAL = "its chosen and its rejected answer are equal"

Row = Mapping[str, Any]
Columns = Mapping[str, str]


class Preferences(Conversations):
    """The rows of one source, of the forms preference, ranking and labelled."""

    def makers(self) -> dict[str, Maker]:
        """Those of its forms."""
        return {
            "preference": self._of_preference,
            "ranking": self._of_ranking,
            "labelled": self._of_labelled,
            "prompts": self._of_prompt,
        }

    def _of_preference(self, row: Row, columns: Columns) -> Content:
        values = [row.get(columns[part]) for part in ("chosen", "rejected")]
        for part, value in zip(("chosen", "rejected"), values, strict=True):
            if not has_value(value):
                raise ValueError(f"{columns[part]} is missing or empty")
        scores = [_number(row.get(columns[part])) for part in ("chosen_score", "rejected_score") if part in columns]
        swapped = len(scores) == 2 and None not in scores and scores[0] < scores[1]  # type: ignore[operator]
        return self._pair_of(row, columns, values, swapped=swapped)

    def _of_ranking(self, row: Row, columns: Columns) -> Content:
        """The best answer of a list, and the worst."""
        answers = turns_in(row.get(columns["ranked"]))
        if not is_ranking(answers) or answers is None:
            raise ValueError(f"{columns['ranked']} is no list of answers, the best first or each with its score")
        if isinstance(answers[0], str):
            return self._pair_of(row, columns, [answers[0], answers[-1]])
        scored = [(_score(one), _answer(one)) for one in answers]
        if any(score is None for score, _ in scored):
            raise ValueError(f"an answer of its {columns['ranked']} has no score that is a number")
        by_score = sorted(scored, key=lambda one: one[0] or 0.0)
        (lowest, worst), (highest, best) = by_score[0], by_score[-1]
        if lowest == highest:
            raise ValueError(f"all answers of its {columns['ranked']} have the same score")
        if any(one.get("rank") is not None for one in answers):  # the first is the best
            best, worst = worst, best
        return self._pair_of(row, columns, [best, worst])

    def _of_labelled(self, row: Row, columns: Columns) -> Content:
        mark = row.get(columns["label"])
        if mark is None or not is_mark(mark):
            raise ValueError(f"its {columns['label']} says neither true nor false")
        desired = mark.strip().lower() == "true" if isinstance(mark, str) else bool(mark)
        beside = {part: name for part, name in columns.items() if part not in PARTS_OF_SIDES}
        if "messages" in beside:
            return Marked(self.of_turns(row, beside), desired)
        if "prompt" not in beside or "completion" not in beside:
            raise ValueError("it has no prompt and answer")
        return Marked(self.of_answer(row, beside), desired)

    def _of_prompt(self, row: Row, columns: Columns) -> Prompt:
        """What is asked; answers that stand behind it are left out, and the other columns kept for the rewards."""
        value = row.get(columns["prompt"])
        if not has_value(value):
            raise ValueError(f"{columns['prompt']} is missing or empty")
        turns = turns_in(value)
        if turns and is_any_turn(turns[0]):
            messages = self.of_prompt(turns)
        elif isinstance(value, str):
            messages = [{"role": "user", "content": value}]
        else:
            raise ValueError(f"{columns['prompt']} is neither a text nor a list of turns")
        if "system" in columns and has_value(words := row.get(columns["system"])) and messages[0]["role"] != "system":
            messages = [{"role": "system", "content": str(words)}, *messages]
        return Prompt(messages, {name: one for name, one in row.items() if name not in columns.values()})

    def _pair_of(self, row: Row, columns: Columns, answers: Sequence[Any], *, swapped: bool = False) -> Pair:
        """The pair of two answers. Raises ValueError where they do not belong together."""
        sides = [self._side(row, columns, answer) for answer in answers]
        chosen, rejected = sides
        if chosen == rejected:
            return Pair(chosen, rejected)  # the encoder refuses it, and shows it
        if isinstance(chosen, str) != isinstance(rejected, str):
            raise ValueError("one of its answers is a plain text, and the other a conversation")
        if not isinstance(chosen, str) and not isinstance(rejected, str):
            chosen, rejected = _after_the_same(chosen, rejected)
        return Pair(chosen, rejected, swapped)

    def _side(self, row: Row, columns: Columns, answer: Any) -> Conversation | str:
        """An answer with what comes before it: the whole of a conversation, or the row's prompt."""
        beside = {part: name for part, name in columns.items() if part not in PARTS_OF_SIDES}
        turns = _transcript(answer) if isinstance(answer, str) else None
        turns = turns or turns_in(answer)
        if turns and is_any_turn(turns[0]) and not is_answer(turns[0]):
            return self.of_turns({**row, "": turns}, {**beside, "messages": ""})
        if "prompt" not in beside and "messages" not in beside:
            if isinstance(answer, str):
                return answer
            raise ValueError("there is no prompt before its answers")
        prompt = beside.pop("messages", "")
        asked = row.get(beside.get("prompt", prompt))
        if isinstance(asked, str):
            asked = _transcript(asked) or asked
        return self.of_answer({**row, "?": asked, "": answer}, {**beside, "prompt": "?", "completion": ""})


def _after_the_same(chosen: Conversation, rejected: Conversation) -> tuple[Conversation, Conversation]:
    """Both, with a loss on nothing that comes before they part. Raises ValueError where they do not belong together."""
    both = list(zip(chosen.messages, rejected.messages, strict=False))
    shared = next((at for at, (one, other) in enumerate(both) if one != other), len(both))
    if shared == len(chosen.messages) or shared == len(rejected.messages):
        raise ValueError("one of its answers is the beginning of the other")
    if chosen.messages[shared]["role"] != "assistant" or rejected.messages[shared]["role"] != "assistant":
        raise ValueError("its two answers are not to the same prompt")
    before = frozenset(at for at in range(shared) if chosen.messages[at]["role"] == "assistant")
    return _untrained(chosen, before), _untrained(rejected, before)


def _untrained(one: Conversation, more: frozenset[int]) -> Conversation:
    return Conversation(one.messages, one.tools, one.images, one.untrained | more)


def _transcript(text: str) -> list[dict[str, str]] | None:
    """The turns of a conversation that is one text, as `Human: ... Assistant: ...`; None where it is none."""
    marks = list(TRANSCRIPT.finditer(text))
    if not marks or marks[0].start() or not text.strip():
        return None
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    return [
        {"role": SPEAKERS[mark[1]], "content": text[mark.end() : end].strip()}
        for mark, end in zip(marks, ends, strict=True)
    ]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _score(answer: Mapping[str, Any]) -> float | None:
    return next((_number(answer[name]) for name in (*sorted(SCORES),) if answer.get(name) is not None), None)


def _answer(answer: Mapping[str, Any]) -> Any:
    """The words of an answer with a score, or its turns."""
    words = next((answer[name] for name in WORDS if has_value(answer.get(name))), None)
    if words is None:
        raise ValueError(f"an answer has no words beside its score: {json.dumps(dict(answer), default=str)[:60]}")
    return words
