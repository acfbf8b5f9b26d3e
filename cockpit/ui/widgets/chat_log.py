"""ChatLog: prompts and replies, oldest first, following the end until one scrolls up."""

from __future__ import annotations

from itertools import islice

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from cockpit.protocol.events import CommandAnswered
from cockpit.runs.conversation import Conversation
from cockpit.runs.state import Reply
from cockpit.ui.widgets.reply_view import PromptView, ReplyView

EARLIER_REPLIES = 20
"""Replies from before the pane was opened that it shows."""
DIVIDER = "Said before; not sent along."
LONGEST = 120
"""Prompts and replies that stay on the screen; older ones go."""


class ChatLog(VerticalScroll, can_focus=True):
    """`ask` puts a prompt and its waiting reply there; `show` takes the run's replies and lets them grow.

    What was not asked here stands above a line that says so: what is below it is what a prompt takes along.
    """

    HELP = "The conversation. Scroll up to read: it waits; scroll to the end and it follows again."
    DEFAULT_CSS = """
    ChatLog { height: 1fr; scrollbar-size-vertical: 1; padding: 0 0 1 0; }
    ChatLog > .hint { color: $text-muted; padding: 1 2; }
    ChatLog > .divider { color: $text-muted; padding: 0 2; margin-top: 1; }
    """

    def __init__(self, *, takes_prompts: bool = True, id: str | None = None, classes: str | None = None) -> None:
        """`takes_prompts`: whether anything can be asked here, and not only watched."""
        super().__init__(id=id, classes=classes)
        self._takes_prompts = takes_prompts
        self._views: dict[str, ReplyView] = {}
        self._growing: set[str] = set()
        self._own: set[str] = set()
        self._seen = 0
        self._last_prompt = ""

    def on_mount(self) -> None:
        """Follow the end."""
        self.anchor()

    def clear(self, replies: dict[str, Reply]) -> None:
        """An empty page; `replies` are those that need not be shown any more."""
        self._views.clear()
        self._growing.clear()
        self._seen, self._last_prompt = len(replies), ""
        self.remove_children()

    def resume(
        self, talk: Conversation, hidden: int, replies: dict[str, Reply], answers: dict[str, CommandAnswered]
    ) -> None:
        """Show what was said before, once, at first; the oldest `hidden` of `replies` stay away."""
        self._seen = hidden
        self._own = {asked for turn in talk.turns for asked in turn.asked}
        self.show(replies, answers)
        for turn in talk.turns:
            for at, (asked, adapter) in enumerate(zip(turn.asked, turn.adapters, strict=True)):
                self.ask(asked, turn.shown, adapter=adapter, again=at > 0)

    def _divide(self) -> None:
        """What is there now is not sent along."""
        if self._takes_prompts and not self._own & self._views.keys():
            self.remove_children(".divider")
            self.mount(Static(Content(DIVIDER), classes="divider", markup=False))

    def hint(self, text: str) -> None:
        """Say something while the page is empty."""
        self.remove_children(".hint")
        if text and not self._views:
            self.mount(Static(Content(text), classes="hint", markup=False))

    def ask(self, command_id: str, prompt: str, *, adapter: bool, again: bool = False) -> None:
        """A prompt was sent; asked `again`, only its new reply is added."""
        self.remove_children(".hint")
        added: list[Widget] = [] if again else [PromptView(prompt)]
        self._last_prompt = prompt
        self._own.add(command_id)
        self._add(command_id, adapter, added)
        self.anchor()

    def show(self, replies: dict[str, Reply], answers: dict[str, CommandAnswered], *, is_broken: bool = False) -> None:
        """Draw what is new. `is_broken`: no engine is there to finish what it began."""
        new = list(islice(replies.values(), self._seen, None))
        self._seen = len(replies)
        new = [reply for reply in new if reply.command_id not in self._own]
        if not self._views and len(new) > EARLIER_REPLIES:
            new = new[-EARLIER_REPLIES:]
        for reply in new:
            if reply.command_id not in self._views:
                self.remove_children(".hint")
                asked_again = reply.prompt == self._last_prompt
                self._add(reply.command_id, reply.adapter, [] if asked_again else [PromptView(reply.prompt)])
                self._last_prompt = reply.prompt
        if new:
            self._divide()
        for command_id in list(self._growing):
            view, reply_now = self._views[command_id], replies.get(command_id)
            answer = answers.get(command_id)
            if reply_now is not None:
                view.show(reply_now, is_broken=is_broken)
                if reply_now.ended is not None or is_broken:
                    self._growing.discard(command_id)
            elif answer is not None and not answer.accepted:
                view.refuse(answer.text)
                self._growing.discard(command_id)
            elif is_broken:
                view.refuse("The engine is gone; it has not answered.")
                self._growing.discard(command_id)

    def _add(self, command_id: str, adapter: bool, before: list[Widget]) -> None:
        view = ReplyView(adapter=adapter)
        self._views[command_id] = view
        self._growing.add(command_id)
        self.mount(*before, view)
        surplus = len(self.children) - LONGEST
        for child in list(self.children)[: max(0, surplus)]:
            self._growing -= {command_id for command_id, view in self._views.items() if view is child}
            child.remove()
