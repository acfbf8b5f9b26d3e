"""ReplyView: one reply, labelled tuned or base, growing as it is written; PromptView: what was asked"""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from cockpit.runs.state import Reply
from cockpit.text.numbers import count
from cockpit.text.plain_text import plain_line, plain_text
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.growing_text import Block, GrowingText
from cockpit.ui.widgets.reply_figures import moment


class PromptView(Static):
    """What the user asked."""

    DEFAULT_CSS = """
    PromptView { height: auto; padding: 0 1; margin-top: 1; border-left: outer $foreground 30%; }
    """

    def __init__(self, prompt: str, *, by: str = "you") -> None:
        super().__init__(Content.assemble((f"{by}\n", "bold $foreground-muted"), plain_text(prompt)), markup=False)


class FoldLine(Static):
    """Says how long the reasoning below it is; a click folds it away, or shows it again."""

    class Clicked(Message):
        """Fold or unfold."""

    def __init__(self) -> None:
        super().__init__("", markup=False, classes="fold")
        self._shown: tuple[int, bool] | None = None

    def show(self, words: int, folds: bool) -> None:
        """So many words of reasoning."""
        if (words, folds) != self._shown:
            self._shown = (words, folds)
            sign = glyphs().folded if folds else glyphs().unfolded
            self.update(Content(f"{sign} reasoned in {count(words)} {'word' if words == 1 else 'words'}"))

    def on_click(self) -> None:
        """Tell the view."""
        self.post_message(self.Clicked())


class ReplyView(Vertical):
    """`show` takes the reply as it stands; what the model wrote is shown literally, never read as markup."""

    DEFAULT_CSS = """
    ReplyView { height: auto; padding: 0 1; margin-top: 1; border-left: outer $secondary; }
    ReplyView.-tuned { border-left: outer $primary; }
    ReplyView.-masked { border-left: outer $foreground 30%; }
    ReplyView.-failed { border-left: outer $error; }
    ReplyView > Static { height: auto; }
    ReplyView > .-paragraph { margin-top: 1; }
    ReplyView > .fold { color: $text-muted; display: none; }
    ReplyView.-thought > .fold { display: block; }
    ReplyView > .thinking { color: $text-muted; text-style: italic; margin-bottom: 1; }
    ReplyView.-folded > .thinking { display: none; }
    """

    def __init__(
        self, *, adapter: bool, markdown: bool = False, folds: bool | None = None, name: str | None = None
    ) -> None:
        """`folds`: whether reasoning is out of sight; None: once the answer begins. `name`: who replies, where that is
        more than tuned or base."""
        super().__init__(classes="-tuned" if adapter else "-base")
        self._adapter, self._mask = adapter, ""
        self._by = plain_line(name) if name else "tuned" if adapter else "base"
        self._folds = folds
        self._head, self._fold = Block(), FoldLine()
        self._thinking = GrowingText(self, "thinking")
        self._answer = GrowingText(self, "answer", markdown=markdown)
        self._note = Content.styled("waiting", "$foreground-muted")
        self._reply: Reply | None = None
        self._is_broken = False
        self._is_drawn = False

    def compose(self) -> ComposeResult:
        """The label; blocks of text follow as they come."""
        yield self._head
        yield self._fold

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
        self._show_fold()
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

    def fold(self, folds: bool) -> None:
        """Put the reasoning out of sight, or show it."""
        self._folds = folds
        self._show_fold()

    def on_fold_line_clicked(self, message: FoldLine.Clicked) -> None:
        """The other way round."""
        message.stop()
        self.fold(not self.has_class("-folded"))

    def _show_fold(self) -> None:
        folds = bool(self._answer.text) if self._folds is None else self._folds
        self.set_class(bool(self._thinking.text), "-thought")
        self.set_class(folds, "-folded")
        self._fold.show(len(self._thinking.text.split()), folds)

    @property
    def answer(self) -> str:
        """The answer as it is shown."""
        return self._answer.text

    @property
    def is_whole(self) -> bool:
        """Whether nothing more comes, and all of it is drawn."""
        return self._is_drawn and self._reply is not None and self._reply.ended is not None

    def mask(self, name: str) -> None:
        """Give it this name in place of who has written it, and no figures; with none, say all."""
        self._mask = name
        self.set_class(bool(name), "-masked")
        self._write_head(self._note)

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
        if self._mask:
            ended = self._reply is not None and self._reply.ended is not None
            note = Content.styled("" if ended else "replying", "$foreground-muted")
        name, style = self._by, "bold $primary" if self._adapter else "bold $secondary"
        name, style = (self._mask, "bold") if self._mask else (name, style)
        head = Content.assemble((name, style), "  ", note)
        if self._is_drawn and head != self._head.content:
            self._head.redraw(head)


def _so_far(reply: Reply) -> str:
    """How far a reply is that still grows: a long one is seen to go on, also where its end is out of sight."""
    return f"replying {glyphs().dot} {count(reply.tokens)} tokens{_speed(reply)}" if reply.tokens else "replying"


def _speed(reply: Reply) -> str:
    return f" {glyphs().dot} {reply.tokens_per_s:,.1f} tokens/s" if reply.tokens_per_s is not None else ""
