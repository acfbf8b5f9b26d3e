"""ReplyFigures: tokens, tokens/s and time to the first token of the last reply."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from cockpit.runs.state import Reply
from cockpit.text.numbers import UNKNOWN, count, duration

LABEL_CELLS = 16
VALUE_CELLS = 10


class ReplyFigures(Widget):
    """`show` takes the last reply, or None."""

    HELP = "The last reply: its tokens, how fast it was written, and how long the first token took."
    DEFAULT_CSS = """
    ReplyFigures { height: auto; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows = rows_of(None)
        self.border_title = Content("last reply")

    def show(self, reply: Reply | None) -> None:
        """Draw the figures; what is not known yet is –."""
        rows = rows_of(reply)
        if rows != self._rows:
            self._rows = rows
            self.refresh()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self._rows)

    def render(self) -> Content:
        lines = [
            Content.assemble((f"{label:<{LABEL_CELLS}}", "$foreground-muted"), (f"{value:>{VALUE_CELLS}}", "bold"))
            for label, value in self._rows
        ]
        return Content("\n").join(lines)


def moment(seconds: float | None) -> str:
    """30 ms; from a second on as every duration."""
    return f"{seconds * 1000:,.0f} ms" if seconds is not None and seconds < 1 else duration(seconds)


def rows_of(reply: Reply | None) -> list[tuple[str, str]]:
    """(label, value) of a reply."""
    ended = reply.ended if reply else None
    speed = ended.new_tokens / ended.duration_s if ended and ended.duration_s > 0 and ended.new_tokens else None
    return [
        ("by", UNKNOWN if reply is None else "tuned" if reply.adapter else "base"),
        ("prompt tokens", count(ended.prompt_tokens) if ended else UNKNOWN),
        ("new tokens", count(ended.new_tokens) if ended else UNKNOWN),
        ("tokens/s", f"{speed:,.1f}" if speed is not None else UNKNOWN),
        ("first token", moment(ended.first_token_s) if ended else UNKNOWN),
        ("took", moment(ended.duration_s) if ended else UNKNOWN),
    ]
