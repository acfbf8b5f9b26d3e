"""What the chat does with conversations: begin, go on with, ask again, edit, copy, save, draw otherwise"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from cockpit.disk import write_atomically
from cockpit.runs.conversation import Conversation
from cockpit.runs.conversations import keep, kept_conversations
from cockpit.runs.transcript import as_jsonl, as_markdown
from cockpit.text.plain_text import plain_line, plain_text
from cockpit.ui.runs.chat_notice import clause
from cockpit.ui.screens.conversations import ConversationsDialog
from cockpit.ui.screens.transcript_dialog import TranscriptDialog
from cockpit.ui.widgets.chat_log import ChatLog, ReplyBeside
from cockpit.ui.widgets.prompt_field import PromptField
from cockpit.ui.widgets.sampling_form import SamplingForm
from cockpit.ui.widgets.vote_bar import VoteBar

if TYPE_CHECKING:
    from cockpit.ui.runs.chat_state import ChatState
    from cockpit.ui.runs.session import RunSession


class ConversationKeys(Screen[None]):
    """The chat screen is one. It says how a prompt is put."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "again", "again", id="chat.again", tooltip="Ask the last prompt again", show=False),
        Binding("f2", "edit_last", "edit last", id="chat.edit", key_display="F2", show=False,
                tooltip="Edit the last prompt: what is sent next takes the place of it and its replies"),
        Binding("f6", "copy", "copy", id="chat.copy", key_display="F6", show=False, priority=True,
                tooltip="Copy the last reply, both where two were asked, to the terminal's clipboard"),
        Binding("f7", "conversations", "earlier", id="chat.conversations", key_display="F7", show=False,
                priority=True,
                tooltip="Go on with another conversation of this run"),
        Binding("ctrl+s", "save", "save", id="chat.save", show=False,
                tooltip="Save the conversation as Markdown, or as JSONL to train on"),
        Binding("ctrl+g", "raw", "as written", id="chat.raw", show=False,
                tooltip="Show replies as they were written, and back as Markdown"),
        Binding("ctrl+b", "fold", "reasoning", id="chat.fold", show=False,
                tooltip="Fold what models reasoned before they answered, or show it"),
    ]  # fmt: skip

    session: RunSession
    _chat: ChatState

    def put_again(self) -> None:
        """Put the last prompt to who is chosen."""
        raise NotImplementedError

    def name_prompt(self) -> None:
        """Say who will be asked."""
        raise NotImplementedError

    def to_talk(self) -> None:
        """Show the talk, and type."""
        raise NotImplementedError

    def show_now(self) -> None:
        """Draw what is known."""
        raise NotImplementedError

    def reply_beside(self, reply: str) -> ReplyBeside | None:
        """What stands beside this reply of the run."""
        raise NotImplementedError

    def show_side(self, is_at_side: bool) -> None:
        """Show talk and fields, or what was gone to of the two where there is room for one."""
        raise NotImplementedError

    def action_stop_reply(self) -> None:
        """End the replies that are being written."""
        raise NotImplementedError

    def action_new_conversation(self) -> None:
        """Nothing of what was said is sent along any more."""
        self._turn_to(Conversation())
        self.query_one(ChatLog).hint("A new conversation.")
        self.query_one(PromptField).text = ""

    def _turn_to(self, talk: Conversation) -> None:
        """Go on with this conversation; nothing else is shown."""
        self.action_stop_reply()
        self._chat.conversation, self._chat.asked, self._chat.image, self._chat.edits = talk, {}, None, None
        self._chat.hidden = len(self.session.state.replies)
        self.name_prompt()
        self.draw_again()
        self.query_one(PromptField).focus()
        self.show_now()

    def draw_again(self) -> None:
        """The conversation from its beginning."""
        log, state = self.query_one(ChatLog), self.session.state
        log.markdown, log.folds = self._chat.markdown, self._chat.folds
        log.clear(state.replies)
        self.query_one(VoteBar).ask(None)
        log.resume(self._chat.conversation, len(state.replies), state.replies, state.answers, self.reply_beside)

    def keep_it(self) -> None:
        """In the run's folder, for another day."""
        if self.session.is_recording:
            return
        try:
            keep(self.session.link.run, self._chat.conversation)
        except OSError as error:
            self.notify(f"The conversation could not be kept: {clause(str(error))}", severity="warning", markup=False)

    def action_again(self) -> None:
        """Ask the last prompt once more."""
        if self._chat.conversation.last_prompt is not None:
            self.put_again()

    def action_edit_last(self) -> None:
        """The last prompt stands in the field; what is sent next takes its place and that of its replies."""
        self.action_stop_reply()
        turn = self._chat.conversation.take_back()
        if turn is None:
            return
        self._chat.edits, self._chat.image, self._chat.asked = turn, turn.image, {}
        self.name_prompt()
        self.draw_again()
        field = self.query_one(PromptField)
        field.text = turn.prompt
        field.move_cursor(field.document.end)
        self.to_talk()

    def action_copy(self) -> None:
        """The last reply, as it was written."""
        replies = [reply for reply in self.session.state.newest_replies() if reply.text]
        if not replies:
            self.notify("There is no reply to copy yet.", severity="warning", markup=False)
            return
        names = {True: "tuned", False: "base"}
        texts = [f"{names[reply.adapter]}:\n{reply.text}" if len(replies) > 1 else reply.text for reply in replies]
        self.app.copy_to_clipboard(plain_text("\n\n".join(texts)))
        self.notify("Copied to the terminal's clipboard.", markup=False)

    def action_conversations(self) -> None:
        """Choose another one."""

        def chosen(talk: Conversation | None) -> None:
            if talk is not None:
                self._turn_to(talk)

        others = [one for one in kept_conversations(self.session.link.run) if one.id != self._chat.conversation.id]
        self.app.push_screen(ConversationsDialog(others), chosen)

    def action_save(self) -> None:
        """Ask where."""
        if not self._chat.conversation.turns:
            self.notify("Nothing has been said yet.", severity="warning", markup=False)
            return
        self.app.push_screen(TranscriptDialog(f"{self.session.link.run.id}-chat.md"), self._save)

    def _save(self, path: Path | None) -> None:
        if path is None:
            return
        write = as_jsonl if path.suffix == ".jsonl" else as_markdown
        sampling = self.query_one(SamplingForm).sampling
        system = sampling.system_prompt if sampling is not None else ""
        title = f"Chat with {self.session.link.run.id}"
        try:
            text = write(self._chat.conversation, self.session.state.replies, title=title, system=system)
            write_atomically(path, text)
        except OSError as error:
            self.notify(
                f"It could not be saved: {clause(error.strerror or str(error))}", severity="error", markup=False
            )
            return
        self.notify(f"Saved as {plain_line(str(path))}.", markup=False)

    def action_raw(self) -> None:
        """Markdown or the words as they were written."""
        self._chat.markdown = not self._chat.markdown
        self.draw_again()

    def action_fold(self) -> None:
        """All reasoning at once."""
        self._chat.folds = not (self._chat.folds is not False)
        self.query_one(ChatLog).fold(self._chat.folds)
