"""ReplyFigures: tokens, tokens/s and time to the first token of the last reply."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from cockpit.runs.state import Reply
from cockpit.text.numbers import UNKNOWN, count, duration

ENDS = {"end_of_turn": "itself", "max_new_tokens": "at limit", "stopped": "stopped", "failed": "failed"}
"""Why a reply has ended, in as many cells as a figure has."""
LABEL_CELLS = 14
VALUE_CELLS = 9


class ReplyFigures(Widget):
    """`show` takes the last reply, two where both base and tuned were asked, or none."""

    HELP = "The last reply, also while it grows: its tokens, how fast it is written, and how long the first token took."
    DEFAULT_CSS = """
    ReplyFigures { height: auto; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows = rows_of([])
        self.border_title = Content("last reply")

    def show(self, replies: Sequence[Reply]) -> None:
        """Draw the figures; what is not known yet is –."""
        rows = rows_of(replies)
        if rows != self._rows:
            self._rows = rows
            self.refresh()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self._rows)

    def render(self) -> Content:
        lines = [
            Content.assemble(
                (f"{label:<{LABEL_CELLS}}", "$foreground-muted"),
                ("".join(f"{value:>{VALUE_CELLS}}" for value in values), "bold"),
            )
            for label, values in self._rows
        ]
        return Content("\n").join(lines)


def moment(seconds: float | None) -> str:
    """30 ms; from a second on as every duration."""
    return f"{seconds * 1000:,.0f} ms" if seconds is not None and seconds < 1 else duration(seconds)


def rows_of(replies: Sequence[Reply]) -> list[tuple[str, list[str]]]:
    """A label, and the value for each reply: as it stands, where it still grows."""
    columns = [_column(reply) for reply in replies] or [_column(None)]
    return [(label, [column[label] for column in columns]) for label in columns[0]]


def _column(reply: Reply | None) -> dict[str, str]:
    ended = reply.ended if reply else None
    speed = reply.tokens_per_s if reply else None
    tokens = ended.new_tokens if ended else reply.tokens or None if reply else None
    is_timed = reply is not None and (ended is not None or reply.tokens > 0)
    return {
        "by": UNKNOWN if reply is None else "tuned" if reply.adapter else "base",
        "prompt tokens": count(ended.prompt_tokens) if ended else UNKNOWN,
        "new tokens": count(tokens),
        "tokens/s": f"{speed:,.1f}" if speed is not None else UNKNOWN,
        "first token": moment(ended.first_token_s) if ended else UNKNOWN,
        "ended": ENDS[ended.end] if ended else UNKNOWN,
        "took": moment(reply.took_s) if reply is not None and is_timed else UNKNOWN,
    }
