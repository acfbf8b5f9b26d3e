"""What a person should know of the chat template: words of rows that it leaves out, ends of turns that it lacks"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from cockpit.data.report import NotUsed
from cockpit.engine.data.anchors import LeftOut
from cockpit.engine.data.chat_template import ChatTemplate, Written

_NOUNS = {"assistant": "answers", "system": "system turns", "user": "the user's turns", "tool": "tool results"}


class TemplateNotes:
    """Says each thing once."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: set[str] = set()

    def template(self, template: ChatTemplate) -> None:
        """Tell of ends of turns that the template never writes."""
        markers = template.markers
        if not markers.turn_ends:
            self._once("The chat template writes no end of turn, so nothing teaches the model to stop after an answer.")
        elif not markers.end_inside:
            self._once("The chat template writes an end of turn only after the last answer of a row.")
        elif not markers.end_last:
            self._once("The chat template writes no end of turn after the last answer of a row.")

    def row(self, written: Written, template: ChatTemplate) -> None:
        """Tell of what is not in the row's text."""
        for one in written.left_out:
            more = ""
            if one.what == "reasoning":
                keeps = "data.keep_reasoning: true keeps it"
                more = f"; {keeps if template.can_keep_reasoning else 'it has no place for it'}"
            self._once(f"The chat template leaves out {one.what} of {_NOUNS[one.role]}{more}.")
        markers = template.markers
        if markers.end_inside and markers.end_last and not all(answer.ended for answer in written.answers):
            self._once("After some answers the chat template writes no end of turn.")

    def _once(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._say(sentence)


def left_out_by_template(rows: Iterable[list[LeftOut]], source: str) -> list[NotUsed]:
    """What the template has left out of rows, counted; `source` is what they are called."""
    in_rows: Counter[str] = Counter()
    in_turns: Counter[str] = Counter()
    for row in rows:
        names = [f"{one.what} of {_NOUNS[one.role]}" for one in row]
        in_turns.update(names)
        in_rows.update(set(names))
    return [
        NotUsed(source=source, kind="template", name=name, rows=count, turns=in_turns[name])
        for name, count in in_rows.most_common()
    ]
