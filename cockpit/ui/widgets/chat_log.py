"""ChatLog: prompts and replies, oldest first, following the end until one scrolls up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from cockpit.protocol.events import CommandAnswered
from cockpit.runs.conversation import Conversation, Round
from cockpit.runs.opening import Compared
from cockpit.runs.state import Reply
from cockpit.ui.widgets.pair_view import PairView
from cockpit.ui.widgets.reply_view import PromptView, ReplyView
from cockpit.ui.widgets.vote_bar import VoteBar

EARLIER_REPLIES = 20
"""Replies from before the pane was opened that it shows."""
DIVIDER = "Said before; not sent along."
LONGEST = 120
"""Prompts and replies that stay on the screen; older ones go."""


class ReplyBeside(NamedTuple):
    """A reply of somebody else that stands beside one of the run's, and whose both are."""

    id: str
    name: str
    run: str


class Others(NamedTuple):
    """What was asked of somebody else. `is_broken`: no engine is there to finish what it began."""

    asked: set[str]
    replies: dict[str, Reply]
    answers: dict[str, CommandAnswered]
    is_broken: bool


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

    def __init__(
        self,
        *,
        takes_prompts: bool = True,
        markdown: bool = True,
        folds: bool | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """`takes_prompts`: whether anything can be asked here, and not only watched. `markdown`: whether single replies
        are drawn as such; `folds` as ReplyView has it."""
        super().__init__(id=id, classes=classes)
        self.markdown, self.folds = markdown, folds
        self._takes_prompts = takes_prompts
        self._views: dict[str, ReplyView] = {}
        self._growing: set[str] = set()
        self._unsettled: list[PairView] = []
        self._own: set[str] = set()
        self._foreign: set[str] = set()
        """The ids of replies of somebody else."""
        self._seen = 0
        self._last_prompt = ""

    def on_mount(self) -> None:
        """Follow the end."""
        self.anchor()

    def clear(self, replies: dict[str, Reply]) -> None:
        """An empty page; `replies` are those that need not be shown any more."""
        self._views.clear()
        self._growing.clear()
        self._unsettled.clear()
        self._own.clear()
        self._foreign.clear()
        self._seen, self._last_prompt = len(replies), ""
        self.remove_children()

    def resume(
        self,
        talk: Conversation,
        hidden: int,
        replies: dict[str, Reply],
        answers: dict[str, CommandAnswered],
        beside_of: Callable[[str], ReplyBeside | None] = lambda reply: None,
    ) -> None:
        """Show what was said before, once, at first; the oldest `hidden` of `replies` stay away. `beside_of` gives what
        stands beside a reply."""
        self._seen = hidden
        self._own = {id_ for turn in talk.turns for asked in turn.rounds for id_ in asked.values()}
        self.show(replies, answers)
        for turn in talk.turns:
            for at, asked in enumerate(turn.rounds):
                beside = next(filter(None, map(beside_of, asked.values())), None)
                self.ask(asked, turn.shown, again=at > 0, beside=beside)

    def open_with(self, samples: Sequence[Compared]) -> None:
        """Show what the recipe's prompts were answered with, above all else."""
        for sample in samples:
            base, tuned = (ReplyView(adapter=adapter, folds=self.folds) for adapter in (False, True))
            pair = PairView(base, tuned)
            self.mount(PromptView(sample.prompt, by="sample prompt of the recipe"), pair)
            base.show(sample.base)
            tuned.show(sample.tuned)
            self._unsettled.append(pair)

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

    def ask(
        self, asked: Round, prompt: str, *, again: bool = False, blind: bool = False, beside: ReplyBeside | None = None
    ) -> None:
        """A prompt was sent; asked `again`, only its new replies are added. `blind`: who has written which of two is
        said once there was a vote. `beside`: somebody else was asked too."""
        self.remove_children(".hint")
        added: list[Widget] = [] if again else [PromptView(prompt)]
        self._last_prompt = prompt
        self._own.update(asked.values())
        self._add(asked, added, blind=blind, beside=beside)
        self.anchor()

    def fold(self, folds: bool) -> None:
        """Put all reasoning out of sight, or show it."""
        self.folds = folds
        for view in self._views.values():
            view.fold(folds)

    def show(
        self,
        replies: dict[str, Reply],
        answers: dict[str, CommandAnswered],
        *,
        is_broken: bool = False,
        others: Sequence[Others] = (),
    ) -> None:
        """Draw what is new. `is_broken`: no engine is there to finish what it began. `others` are asked beside it."""
        new = list(islice(replies.values(), self._seen, None))
        self._seen = len(replies)
        new = [reply for reply in new if reply.command_id not in self._own]
        if not self._views and len(new) > EARLIER_REPLIES:
            new = new[-EARLIER_REPLIES:]
        for reply in new:
            if reply.command_id not in self._views:
                self.remove_children(".hint")
                asked_again = reply.prompt == self._last_prompt
                self._add(self._round_of(reply, new), [] if asked_again else [PromptView(reply.prompt)])
                self._last_prompt = reply.prompt
        if new:
            self._divide()
        own = self._growing - self._foreign
        self._grow(Others(own, replies, answers, is_broken))
        for other in others:
            self._grow(other)
        for pair in [pair for pair in self._unsettled if pair.settle()]:
            self._unsettled.remove(pair)
            if pair.is_blind:
                bar = VoteBar(pair)
                self.mount(bar, after=pair)
                bar.focus()

    def _grow(self, said: Others) -> None:
        """Draw how these replies stand."""
        for command_id in self._growing & said.asked:
            view, reply_now = self._views[command_id], said.replies.get(command_id)
            answer = said.answers.get(command_id)
            if reply_now is not None:
                view.show(reply_now, is_broken=said.is_broken)
                if reply_now.ended is not None or said.is_broken:
                    self._growing.discard(command_id)
            elif answer is not None and not answer.accepted:
                view.refuse(answer.text)
                self._growing.discard(command_id)
            elif said.is_broken:
                view.refuse("The engine is gone; it has not answered.")
                self._growing.discard(command_id)

    def _round_of(self, reply: Reply, replies: list[Reply]) -> Round:
        """With the other one where two were asked at the same time, and both have begun."""
        both = [reply] if not reply.both else [one for one in replies if one.both == reply.both]
        return {one.adapter: one.command_id for one in both}

    def _add(
        self, asked: Round, before: list[Widget], *, blind: bool = False, beside: ReplyBeside | None = None
    ) -> None:
        # What differs is marked in the words as they were written.
        markdown = self.markdown and len(asked) == 1 and beside is None
        name = beside.run if beside is not None else None
        views = {
            adapter: ReplyView(adapter=adapter, markdown=markdown, folds=self.folds, name=name) for adapter in asked
        }
        self._views |= {asked[adapter]: view for adapter, view in views.items()}
        if beside is not None:
            views = {True: next(iter(views.values()))}
            views[False] = self._views[beside.id] = ReplyView(adapter=False, folds=self.folds, name=beside.name)
            self._growing.add(beside.id)
            self._foreign.add(beside.id)
        self._growing.update(asked.values())
        if len(views) == 1:
            added: Widget = next(iter(views.values()))
        else:
            added = PairView(views[False], views[True], blind=blind)
            self._unsettled.append(added)
        self.mount(*before, added)
        surplus = len(self.children) - LONGEST
        for child in list(self.children)[: max(0, surplus)]:
            gone = {id_ for id_, view in self._views.items() if child in (view, view.parent)}
            self._growing -= gone
            self._unsettled = [pair for pair in self._unsettled if pair is not child]
            child.remove()
