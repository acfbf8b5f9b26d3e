"""ReplyPassage: one reply, labelled tuned or base, growing as it is written"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.content import Content

from cockpit.runs.state import Reply
from cockpit.text.numbers import count
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.growing_text import MarkdownText, PlainText
from cockpit.ui.widgets.passages import BLANK, Block, Line, Passage
from cockpit.ui.widgets.reply_figures import moment

THOUGHT = "italic $foreground-muted"


class ReplyPassage(Passage):
    """`show` takes the reply as it stands; what the model wrote is shown literally, never read as markup."""

    def __init__(
        self, *, adapter: bool, markdown: bool = False, folds: bool | None = None, name: str | None = None
    ) -> None:
        """`folds`: whether reasoning is out of sight; None: once the answer begins. `name`: who replies, where that is
        more than tuned or base."""
        self._ink = "$primary" if adapter else "$secondary"
        self._mask = ""
        self._by = plain_line(name) if name else "tuned" if adapter else "base"
        self.folds = folds
        """As it was given, or chosen since."""
        self._head, self._fold = Block(), Block(folds=True)
        self._thinking = PlainText(THOUGHT)
        self._answer = MarkdownText() if markdown else PlainText()
        self._reply: Reply | None = None
        self._has_failed = False
        self._write_head(Content.styled("waiting", "$foreground-muted"))

    @property
    def edge(self) -> str:  # type: ignore[override]
        """Whose it is, or that it has failed."""
        return "$error" if self._has_failed else "$foreground 30%" if self._mask else self._ink

    def show(self, reply: Reply, *, is_broken: bool = False) -> None:
        """The reply as it stands. `is_broken`: the engine went away in the midst of it."""
        self._reply = reply
        ended = reply.ended
        is_whole = ended is not None or is_broken
        self._thinking.show(reply.thinking, is_whole=is_whole or bool(reply.text))
        self._answer.show(reply.text, is_whole=is_whole)
        if ended is None:
            if is_broken:
                self._write_head(Content.styled("cut off: the engine is gone", "$error"))
            else:
                self._write_head(Content.styled(_so_far(reply), "$foreground-muted"))
            return
        self._has_failed = ended.end == "failed"
        facts = f"{count(ended.new_tokens)} tokens{_speed(reply)}"
        if ended.first_token_s is not None:
            facts += f" {glyphs().dot} first after {moment(ended.first_token_s)}"
        parts = [Content.styled(facts, "$foreground-muted")]
        if ended.end == "max_new_tokens":
            parts.append(Content.styled(f" {glyphs().dot} cut at max_new_tokens", "$warning"))
        elif ended.end == "stopped":
            parts.append(Content.styled(f" {glyphs().dot} stopped", "$warning"))
        elif ended.end == "failed":
            said = plain_line(ended.reason) or "the engine gives no reason"
            parts = [Content.styled(f"failed: {said}", "$error")]
        elif not reply.text.strip():
            parts.append(Content.styled(f" {glyphs().dot} said nothing", "$warning"))
        self._write_head(Content("").join(parts))

    @property
    def is_folded(self) -> bool:
        """Whether reasoning is out of sight."""
        return bool(self._answer.text) if self.folds is None else self.folds

    @property
    def answer(self) -> str:
        """The answer as it was written."""
        return self._answer.text

    @property
    def is_whole(self) -> bool:
        """Whether nothing more comes."""
        return self._reply is not None and self._reply.ended is not None

    def mask(self, name: str) -> None:
        """Give it this name in place of who has written it, and no figures; with none, say all."""
        self._mask = name
        self._write_head(self._note)

    def mark(self, spans: Sequence[tuple[int, int]]) -> None:
        """Underline these places of the answer, where that is drawn as it was written."""
        if isinstance(self._answer, PlainText):
            self._answer.mark(spans, f"underline {self._ink}")

    @property
    def marked(self) -> list[str]:
        """What is underlined of the answer."""
        return self._answer.marked if isinstance(self._answer, PlainText) else []

    def refuse(self, reason: str) -> None:
        """The engine did not take the prompt up."""
        self._has_failed = True
        said = plain_line(reason) or "The engine did not take the prompt."
        self._write_head(Content.styled(said, "$error"))

    def blocks(self) -> Iterable[Block]:
        """What stands above reasoning and answer."""
        if not self._thinking.text:
            return [self._head]
        words = len(self._thinking.text.split())
        sign = glyphs().folded if self.is_folded else glyphs().unfolded
        said = f"{sign} reasoned in {count(words)} {'word' if words == 1 else 'words'}"
        self._fold.text = Content.styled(said, "$foreground-muted")
        return [self._head, self._fold]

    def lines(self, width: int) -> list[Line]:
        """Head, reasoning where it is not folded, answer."""
        found = super().lines(width)
        if self._thinking.text and not self.is_folded:
            found += [*self._thinking.lines(width), BLANK]
        return found + self._answer.lines(width)

    @property
    def text(self) -> str:
        """As it stands, Markdown as it is drawn."""
        parts = [super().text]
        if self._thinking.text and not self.is_folded:
            parts.append(self._thinking.text)
        if isinstance(self._answer, MarkdownText):
            parts += [block.text.plain for block in self._answer.blocks]
        elif self._answer.text:
            parts.append(self._answer.text)
        return "\n".join(parts)

    def _write_head(self, note: Content) -> None:
        self._note = note
        if self._mask:
            note = Content.styled("" if self.is_whole else "replying", "$foreground-muted")
        name, style = (self._mask, "bold") if self._mask else (self._by, f"bold {self._ink}")
        self._head.text = Content.assemble((name, style), "  ", note)


def _so_far(reply: Reply) -> str:
    """How far a reply is that still grows: a long one is seen to go on, also where its end is out of sight."""
    return f"replying {glyphs().dot} {count(reply.tokens)} tokens{_speed(reply)}" if reply.tokens else "replying"


def _speed(reply: Reply) -> str:
    return f" {glyphs().dot} {reply.tokens_per_s:,.1f} tokens/s" if reply.tokens_per_s is not None else ""
