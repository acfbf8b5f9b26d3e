"""ChatLog: prompts and replies, oldest first, following the end until one scrolls up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from textual import work
from textual.content import Content
from textual.geometry import Size
from textual.message import Message

from cockpit.protocol.events import CommandAnswered
from cockpit.runs.conversation import Conversation, Round
from cockpit.runs.opening import Compared
from cockpit.runs.state import Reply
from cockpit.text.word_diff import Span, word_diff
from cockpit.ui.widgets.pair_passage import PairPassage
from cockpit.ui.widgets.passage_log import PassageLog
from cockpit.ui.widgets.passages import LEAD, NotePassage, Passage, PromptPassage
from cockpit.ui.widgets.picture import PictureBlock, half_blocks, shows_pictures
from cockpit.ui.widgets.reply_passage import ReplyPassage

EARLIER_REPLIES = 20
"""Replies from before the pane was opened that it shows."""
DIVIDER = "Said before; not sent along."
PICTURE_COLUMNS, PICTURE_ROWS = 48, 16
"""Cells that a picture takes at most; at most half the height of the log."""
LONGEST = 120
"""Prompts and replies that are kept; older ones go."""


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


class ChatLog(PassageLog):
    """`ask` puts a prompt and its waiting reply there; `show` takes the run's replies and lets them grow.

    What was not asked here stands above a line that says so: what is below it is what a prompt takes along.
    """

    HELP = "The conversation. Scroll up to read: it waits; scroll to the end and it follows again."
    DEFAULT_CSS = """
    ChatLog { padding: 0 0 1 0; }
    """

    class Settled(Message):
        """Two replies that nobody knows the writers of are whole."""

        def __init__(self, pair: PairPassage) -> None:
            super().__init__()
            self.pair = pair

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
        are drawn as such; `folds` as ReplyPassage has it."""
        super().__init__(id=id, classes=classes)
        self.markdown, self.folds = markdown, folds
        self._takes_prompts = takes_prompts
        self._replies: dict[str, ReplyPassage] = {}
        self._growing: set[str] = set()
        self._unsettled: list[PairPassage] = []
        self._undrawn: list[tuple[PromptPassage, str]] = []
        """Passages whose picture, in this file, waits for the room that it may take."""
        self._own: set[str] = set()
        self._foreign: set[str] = set()
        """The ids of replies of somebody else."""
        self._seen = 0
        self._last_prompt = ""

    @property
    def has_blind(self) -> bool:
        """Whether there are replies whose writers are still to be told."""
        return any(isinstance(one, PairPassage) and one.is_blind for one in self.passages)

    def clear(self, replies: dict[str, Reply]) -> None:
        """An empty page; `replies` are those that need not be shown any more."""
        self.passages.clear()
        self._replies.clear()
        self._growing.clear()
        self._unsettled.clear()
        self._own.clear()
        self._foreign.clear()
        self._undrawn.clear()
        self._seen, self._last_prompt = len(replies), ""
        self.redraw()

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
                self.ask(asked, turn.shown, image=turn.image, again=at > 0, beside=beside)

    def open_with(self, samples: Sequence[Compared]) -> None:
        """Show what the recipe's prompts were answered with, above all else."""
        for sample in samples:
            base, tuned = (ReplyPassage(adapter=adapter, folds=self.folds) for adapter in (False, True))
            pair = PairPassage(base, tuned)
            self.passages += [PromptPassage(sample.prompt, by="sample prompt of the recipe"), pair]
            base.show(sample.base)
            tuned.show(sample.tuned)
            self._unsettled.append(pair)

    def hint(self, text: str) -> None:
        """Say something while the page is empty."""
        self._remove("hint")
        if text and not self._replies:
            self.passages.append(NotePassage(text, "hint"))
        self.redraw()

    def ask(
        self,
        asked: Round,
        prompt: str,
        *,
        image: str | None = None,
        again: bool = False,
        blind: bool = False,
        beside: ReplyBeside | None = None,
    ) -> None:
        """A prompt was sent, about the picture in the file `image`; asked `again`, only its new replies are added.
        `blind`: who has written which of two is said once there was a vote. `beside`: somebody else was asked too."""
        self._remove("hint")
        self._last_prompt = prompt
        self._own.update(asked.values())
        passage = PromptPassage(prompt)
        self._add(asked, [] if again else [passage], blind=blind, beside=beside)
        self.redraw()
        self.follow()
        if image and not again and shows_pictures(self.app.console.color_system):
            self._undrawn.append((passage, image))
            self._draw_pictures()

    def on_resize(self) -> None:
        """What was said before is shown before there is a size."""
        super().on_resize()
        self._draw_pictures()

    def _draw_pictures(self) -> None:
        room = self.scrollable_content_region.size
        if room:
            for passage, image in self._undrawn:
                self._open_picture(passage, image, room)
            self._undrawn.clear()

    @work(thread=True)
    def _open_picture(self, passage: PromptPassage, image: str, room: Size) -> None:
        """In a thread, as a photograph takes some tenths of a second."""
        columns, rows = min(PICTURE_COLUMNS, room.width - LEAD - 1), min(PICTURE_ROWS, room.height // 2)
        if drawn := half_blocks(image, columns, rows):
            self.app.call_from_thread(self._put_picture, passage, PictureBlock(drawn))

    def _put_picture(self, passage: PromptPassage, picture: PictureBlock) -> None:
        passage.picture = picture
        self.redraw()

    def fold(self, folds: bool) -> None:
        """Put all reasoning out of sight, or show it."""
        self.folds = folds
        for reply in self._replies.values():
            reply.folds = folds
        self.redraw()

    def fold_clicked(self, passage: Passage) -> None:
        """The other way round."""
        assert isinstance(passage, ReplyPassage)
        passage.folds = not passage.is_folded

    def reveal(self, pair: PairPassage, said: Content) -> None:
        """Say whose the two are, and below them what was voted."""
        pair.reveal()
        self._settle(pair)
        self.passages.insert(self.passages.index(pair) + 1, NotePassage(said, "vote"))
        self.redraw()

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
        if not self._replies and len(new) > EARLIER_REPLIES:
            new = new[-EARLIER_REPLIES:]
        for reply in new:
            if reply.command_id not in self._replies:
                self._remove("hint")
                asked_again = reply.prompt == self._last_prompt
                self._add(self._round_of(reply, new), [] if asked_again else [PromptPassage(reply.prompt)])
                self._last_prompt = reply.prompt
        if new:
            self._divide()
        own = self._growing - self._foreign
        self._grow(Others(own, replies, answers, is_broken))
        for other in others:
            self._grow(other)
        for pair in [pair for pair in self._unsettled if pair.is_whole]:
            self._unsettled.remove(pair)
            if pair.is_blind:
                self.post_message(self.Settled(pair))
            else:
                self._settle(pair)
        self.redraw()

    def _grow(self, said: Others) -> None:
        """Take in how these replies stand."""
        for command_id in self._growing & said.asked:
            reply, reply_now = self._replies[command_id], said.replies.get(command_id)
            answer = said.answers.get(command_id)
            if reply_now is not None:
                reply.show(reply_now, is_broken=said.is_broken)
                if reply_now.ended is not None or said.is_broken:
                    self._growing.discard(command_id)
            elif answer is not None and not answer.accepted:
                reply.refuse(answer.text)
                self._growing.discard(command_id)
            elif said.is_broken:
                reply.refuse("The engine is gone; it has not answered.")
                self._growing.discard(command_id)

    def _settle(self, pair: PairPassage) -> None:
        """Mark the words that differ."""
        if pair.base.answer and pair.tuned.answer:
            self._compare(pair)

    @work(thread=True)
    def _compare(self, pair: PairPassage) -> None:
        """In a thread, as two long texts without a word in common take a second."""
        self.app.call_from_thread(self._mark, pair, *word_diff(pair.base.answer, pair.tuned.answer))

    def _mark(self, pair: PairPassage, base: list[Span], tuned: list[Span]) -> None:
        pair.base.mark(base)
        pair.tuned.mark(tuned)
        self.redraw()

    def _divide(self) -> None:
        """What is there now is not sent along."""
        if self._takes_prompts and not self._own & self._replies.keys():
            self._remove("divider")
            self.passages.append(NotePassage(DIVIDER, "divider"))

    def _remove(self, kind: str) -> None:
        self.passages = [one for one in self.passages if not (isinstance(one, NotePassage) and one.kind == kind)]

    def _round_of(self, reply: Reply, replies: list[Reply]) -> Round:
        """With the other one where two were asked at the same time, and both have begun."""
        both = [reply] if not reply.both else [one for one in replies if one.both == reply.both]
        return {one.adapter: one.command_id for one in both}

    def _add(
        self, asked: Round, before: list[Passage], *, blind: bool = False, beside: ReplyBeside | None = None
    ) -> None:
        # What differs is marked in the words as they were written.
        markdown = self.markdown and len(asked) == 1 and beside is None
        name = beside.run if beside is not None else None
        made = {
            adapter: ReplyPassage(adapter=adapter, markdown=markdown, folds=self.folds, name=name) for adapter in asked
        }
        self._replies |= {asked[adapter]: reply for adapter, reply in made.items()}
        if beside is not None:
            made = {True: next(iter(made.values()))}
            made[False] = self._replies[beside.id] = ReplyPassage(adapter=False, folds=self.folds, name=beside.name)
            self._growing.add(beside.id)
            self._foreign.add(beside.id)
        self._growing.update(asked.values())
        if len(made) == 1:
            added: Passage = next(iter(made.values()))
        else:
            added = PairPassage(made[False], made[True], blind=blind)
            self._unsettled.append(added)
        self.passages += [*before, added]
        for gone in self.passages[: max(0, len(self.passages) - LONGEST)]:
            parts = gone.order if isinstance(gone, PairPassage) else [gone]
            ids = {id_ for id_, reply in self._replies.items() if reply in parts}
            self._growing -= ids
            self._unsettled = [pair for pair in self._unsettled if pair is not gone]
        self.passages = self.passages[-LONGEST:]
