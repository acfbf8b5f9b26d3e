"""ReplyView: one reply, labelled tuned or base, growing as it is written; PromptView: what was asked"""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from cockpit.runs.state import Reply
from cockpit.text.numbers import count
from cockpit.text.plain_text import PlainTextStream, plain_line, plain_text
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.reply_figures import moment

SETTLED_AFTER = 2000
"""Characters after which a block of a reply is closed: only the block at the end is laid out anew as it grows."""


class PromptView(Static):
    """What the user asked."""

    DEFAULT_CSS = """
    PromptView { height: auto; padding: 0 1; margin-top: 1; border-left: outer $foreground 30%; }
    """

    def __init__(self, prompt: str) -> None:
        super().__init__(Content.assemble(("you\n", "bold $foreground-muted"), plain_text(prompt)), markup=False)


class ReplyView(Vertical):
    """`show` takes the reply as it stands; what the model wrote is shown literally, never read as markup."""

    DEFAULT_CSS = """
    ReplyView { height: auto; padding: 0 1; margin-top: 1; border-left: outer $secondary; }
    ReplyView.-tuned { border-left: outer $primary; }
    ReplyView.-failed { border-left: outer $error; }
    ReplyView > Static { height: auto; }
    ReplyView > .thinking { color: $text-muted; text-style: italic; margin-bottom: 1; }
    """

    def __init__(self, *, adapter: bool) -> None:
        super().__init__(classes="-tuned" if adapter else "-base")
        self._adapter = adapter
        self._head = Static("", markup=False)
        self._thinking = _GrowingText(self, "thinking")
        self._answer = _GrowingText(self, "answer")
        self._note = Content.styled("waiting", "$foreground-muted")
        self._reply: Reply | None = None
        self._is_broken = False
        self._is_drawn = False

    def compose(self) -> ComposeResult:
        """The label; blocks of text follow as they come."""
        yield self._head

    def on_mount(self) -> None:
        """Draw what is known."""
        self._is_drawn = True
        self._write_head(self._note)
        if self._reply is not None:
            self.show(self._reply, is_broken=self._is_broken)

    def show(self, reply: Reply, *, is_broken: bool = False) -> None:
        """The reply as it stands. `is_broken`: the engine went away in the midst of it."""
        self._reply, self._is_broken = reply, is_broken
        if not self._is_drawn:
            return
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
        self.set_class(ended.end == "failed", "-failed")
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
    def answer(self) -> str:
        """The answer as it is shown."""
        return self._answer.text

    @property
    def is_whole(self) -> bool:
        """Whether nothing more comes, and all of it is drawn."""
        return self._is_drawn and self._reply is not None and self._reply.ended is not None

    def mark(self, spans: Sequence[tuple[int, int]]) -> None:
        """Underline these places of the answer."""
        self._answer.mark(spans, "underline $primary" if self._adapter else "underline $secondary")

    def refuse(self, reason: str) -> None:
        """The engine did not take the prompt up."""
        self.add_class("-failed")
        said = plain_line(reason) or "The engine did not take the prompt."
        self._write_head(Content.styled(said, "$error"))

    def _write_head(self, note: Content) -> None:
        self._note = note
        name, style = ("tuned", "bold $primary") if self._adapter else ("base", "bold $secondary")
        head = Content.assemble((name, style), "  ", note)
        if self._is_drawn and head != self._head.content:
            self._head.update(head)


def _so_far(reply: Reply) -> str:
    """How far a reply is that still grows: a long one is seen to go on, also where its end is out of sight."""
    return f"replying {glyphs().dot} {count(reply.tokens)} tokens{_speed(reply)}" if reply.tokens else "replying"


def _speed(reply: Reply) -> str:
    return f" {glyphs().dot} {reply.tokens_per_s:,.1f} tokens/s" if reply.tokens_per_s is not None else ""


class _GrowingText:
    """A text that grows below what its view holds already."""

    def __init__(self, view: Vertical, kind: str) -> None:
        """`kind` is the class of its blocks."""
        self._view, self._kind = view, kind
        self._blocks: list[Static] = []
        self._begins: list[int] = []
        self._stream = PlainTextStream()
        self._taken = 0
        self.text = ""
        """What is shown."""

    def show(self, text: str, *, is_whole: bool) -> None:
        """The text as it stands; what was shown of it stays as it is, but for the block at the end."""
        added = self._stream.feed(text[self._taken :])
        self._taken = len(text)
        if is_whole:
            added += self._stream.end()
        if not added:
            return
        self.text += added
        while True:
            if not self._blocks:
                self._add_block(0)
            begin = self._begins[-1]
            cut = _cut(self.text[begin:])
            if cut is None:
                self._blocks[-1].update(Content(self.text[begin:]))
                return
            self._blocks[-1].update(Content(self.text[begin : begin + cut].removesuffix("\n")))
            self._add_block(begin + cut)

    def mark(self, spans: Sequence[tuple[int, int]], style: str) -> None:
        """Draw these places of the text in a style of their own."""
        ends = [*self._begins[1:], len(self.text)]
        for block, begin, end in zip(self._blocks, self._begins, ends, strict=True):
            content = Content(self.text[begin:end].removesuffix("\n") if end < len(self.text) else self.text[begin:end])
            for first, last in spans:
                if first < end and last > begin:
                    content = content.stylize(style, max(first, begin) - begin, min(last, end) - begin)
            block.update(content)

    def _add_block(self, begin: int) -> None:
        block = Static("", markup=False, classes=self._kind)
        self._blocks.append(block)
        self._begins.append(begin)
        self._view.mount(block)


def _cut(tail: str) -> int | None:
    """Where a long text is cut into blocks: after a line, else after a word, else anywhere; None while it is short."""
    if len(tail) <= SETTLED_AFTER:
        return None
    line = tail.rfind("\n", SETTLED_AFTER // 2, SETTLED_AFTER)
    word = tail.rfind(" ", SETTLED_AFTER // 2, SETTLED_AFTER)
    return (line if line >= 0 else word if word >= 0 else SETTLED_AFTER - 1) + 1
