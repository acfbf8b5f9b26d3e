"""How the chat puts prompts: to whom, now or once the model is loaded; which of two replies was found better"""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING
from typing import cast as typing_cast

from textual import on
from textual.content import Content
from textual.widgets import TextArea

from cockpit.runs.conversation import Round
from cockpit.runs.votes import Better, Vote, cast, counted
from cockpit.text.numbers import count
from cockpit.text.plain_text import plain_line
from cockpit.ui.runs.chat_notice import clause, why_silent
from cockpit.ui.runs.chat_state import ADAPTERS, Waits, Who
from cockpit.ui.screens.chat_beside import BesideKeys
from cockpit.ui.widgets.chat_log import ChatLog
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.prompt_field import PromptField
from cockpit.ui.widgets.sampling_form import SamplingForm
from cockpit.ui.widgets.vote_bar import VoteBar

if TYPE_CHECKING:
    from cockpit.ui.runs.chat_engine import ChatEngine

NEXT: dict[Who, Who] = {"tuned": "both", "both": "base", "base": "tuned", "blind": "tuned", "beside": "tuned"}
"""Who is asked after a press of F3."""


class AskingKeys(BesideKeys):
    """The chat screen is one."""

    _engine: ChatEngine
    _is_at_side: bool

    @property
    def _can_load(self) -> bool:
        """Whether there is something to load, and nothing is loading yet."""
        takes = self.session.state.adapter is not None and not self.session.is_recording
        return takes and why_silent(self.session, self._engine)[0] in ("missing", "bad")

    @property
    def _may_answer(self) -> bool:
        """Whether a prompt is answered, now or once the model is loaded."""
        if self.session.is_recording:
            return False
        return self.session.can_ask or self._can_load or why_silent(self.session, self._engine)[0] == "waiting"

    @property
    def _can_ask(self) -> bool:
        """Whether all who are to be asked answer now."""
        beside = self.beside
        return self.session.can_ask and (beside is None or beside.can_ask)

    @property
    def _silence(self) -> tuple[str, str]:
        """Why not, as why_silent says it."""
        silence, beside = why_silent(self.session, self._engine), self.beside
        return silence if silence[0] or beside is None else beside.silence

    def action_load(self) -> None:
        """Start an engine that loads what the run has saved."""
        self._engine.load()
        self.show_now()

    def _wait_for_model(self, what: Waits) -> None:
        """Put it once the model is there, which is loaded where it is not loading yet."""
        if self._can_load:
            self._engine.load()
        if self.beside is not None:
            self.beside.load()
        self._chat.waits = what
        self.name_prompt()
        self.show_now()

    def wait_no_more(self) -> None:
        """What was to be put once the model is there stays in the prompt field."""
        if self._chat.waits:
            self._chat.waits = ""
            self.name_prompt()

    def put_what_waits(self) -> None:
        """Now, where the model is there; not at all where it could not be loaded."""
        waits = self._chat.waits
        if not waits:
            return
        if self._can_ask:
            self.wait_no_more()
            if waits == "again":
                self.put_again()
            else:
                self.action_send()
        elif self._silence[0] == "bad" or (self._silence[0] == "missing" and not self._is_starting):
            self.wait_no_more()

    @property
    def _is_starting(self) -> bool:
        """Whether an engine was started that has not said anything yet."""
        state, beside = self.session.state, self.beside
        own = self._engine.stage == "running" and state.unloaded is None and state.exited is None
        return own or (beside is not None and beside.engine.stage == "running" and not beside.session.state.exited)

    @on(TextArea.Changed)
    def _on_edited(self) -> None:
        """Whoever goes on typing is not done with the prompt."""
        if self._chat.waits == "prompt":
            self.wait_no_more()

    @on(PromptField.PictureGiven)
    def _on_picture_given(self, message: PromptField.PictureGiven) -> None:
        message.stop()
        self.ask_about(message.path)

    def ask_about(self, image: str) -> None:
        """The next prompt is about the picture in this file."""
        self._chat.image = str(Path(image).expanduser().absolute())
        self.name_prompt()
        self.query_one(PromptField).focus()

    @on(PromptField.Submitted)
    def _on_submitted(self, message: PromptField.Submitted) -> None:
        if self._send(message.text):
            self.query_one(PromptField).text = ""

    def action_send(self) -> None:
        """What stands in the prompt field, from wherever the focus is."""
        text = self.query_one(PromptField).text.strip()
        if text:
            self._on_submitted(PromptField.Submitted(text))

    def _send(self, prompt: str) -> bool:
        talk = self._chat
        asked = self._ask(prompt)
        if not asked:
            return False
        talk.conversation.ask(prompt, asked, image=talk.image)
        self._show_asked(asked)
        talk.image = talk.edits = None
        self.keep_it()
        self.name_prompt()
        self.query_one(PromptField).remember(prompt)
        if self._is_at_side and not self.query_one("#talk").display:
            self.to_talk()
        self.show_now()
        return True

    def _show_asked(self, asked: Round, *, again: bool = False) -> None:
        turn, blind = self._chat.conversation.turns[-1], self._chat.who == "blind"
        beside = next(filter(None, map(self.reply_beside, asked.values())), None)
        log = self.query_one(ChatLog)
        log.ask(asked, turn.shown, image=turn.image, again=again, blind=blind, beside=beside)

    def _ask(self, prompt: str, *, again: bool = False) -> Round:
        """Put the prompt to who is chosen; nothing where that cannot be done now: then it is said why."""
        talk, beside = self._chat, self.beside
        sampling = self.query_one(SamplingForm).sampling
        refusal = ""
        if talk.asked:
            refusal = "A reply is being written; Escape stops it."
        elif not self._can_ask and self._may_answer and sampling is not None:
            self._wait_for_model("again" if again else "prompt")
            return {}
        elif not self._can_ask:
            refusal = self._silence[1] or "The model is not there."
        elif sampling is None:
            refusal = self.query_one(SamplingForm).problem
        if refusal or sampling is None:
            self.notify(refusal, severity="warning", markup=False)
            return {}
        if beside is not None and sampling.do_sample and sampling.seed is None:
            sampling = sampling.model_copy(update={"seed": random.randrange(2**31)})  # the same for both
        messages = {
            adapter: talk.conversation.messages_for(
                prompt,
                self.session.state.replies,
                adapter=adapter,
                image=talk.image,
                again=again,
                system=sampling.system_prompt,
            )
            for adapter in ADAPTERS[talk.who]
        }
        try:
            talk.asked = self.session.ask(messages, sampling)
            if beside is not None:
                replies, system = self.session.state.replies, sampling.system_prompt
                same = beside.messages_for(talk, prompt, replies, again=again, system=system)
                talk.pairs[talk.asked[True]] = beside.ask(same, sampling)
        except OSError as error:
            self.notify(f"The prompt could not be sent: {clause(str(error))}", severity="error", markup=False)
        return talk.asked

    def action_switch(self) -> None:
        """The next of tuned, both and base; the last prompt is put to them too."""
        self.query_one("#who", Choice).value = NEXT[self._chat.who]

    @on(Choice.Changed, "#who")
    def _on_who(self, event: Choice.Changed) -> None:
        event.stop()
        self.turn_to_who(event.value)

    def turn_to_who(self, who: str) -> None:
        if self._chat.who == "beside" and who != "beside":
            self.end_beside()
        self._chat.who = typing_cast("Who", who)
        self.name_prompt()
        self.show_side(self._is_at_side)
        self._chat.switched = bool(self._chat.asked)
        if not self._chat.switched:
            self._put_to_who_is_chosen()

    def _put_to_who_is_chosen(self) -> None:
        """The last prompt, unless they are among those who have just been asked it."""
        self._chat.switched = False
        talk = self._chat.conversation
        if talk.last_prompt is None or not self.session.can_ask:
            return
        if (
            self._chat.who in ("blind", "beside")
            or not set(ADAPTERS[self._chat.who]) <= talk.turns[-1].rounds[-1].keys()
        ):
            self.put_again()

    def put_again(self) -> None:
        talk = self._chat.conversation
        if talk.last_prompt is None:
            return
        asked = self._ask(talk.last_prompt, again=True)
        if asked:
            talk.ask_again(asked)
            self._show_asked(asked, again=True)
            self.keep_it()
            self.show_now()

    @on(ChatLog.Settled)
    def _on_settled(self, event: ChatLog.Settled) -> None:
        """Ask for the vote."""
        event.stop()
        self.query_one(VoteBar).ask(event.pair)

    @on(VoteBar.Voted)
    def _on_voted(self, event: VoteBar.Voted) -> None:
        """Keep the vote, and say whose replies they are."""
        event.stop()
        tuned = {"first": event.pair.is_tuned(0), "second": event.pair.is_tuned(1)}.get(event.chosen)
        better: Better = "neither" if tuned is None else "tuned" if tuned else "base"
        turn = self._chat.conversation.turns[-1] if self._chat.conversation.turns else None
        run = self.session.link.run
        if turn is not None:
            asked = turn.rounds[-1]
            try:
                cast(run, Vote(better, turn.prompt, asked.get(True, ""), asked.get(False, "")))
            except OSError as error:
                self.notify(f"The vote could not be kept: {clause(str(error))}", severity="warning", markup=False)
        votes = counted(run)
        said = "neither is better" if better == "neither" else f"{better} is better"
        counts = ", ".join(f"{name} {count(votes[name])}" for name in ("tuned", "base", "neither"))
        told = Content.assemble((f"{said}  ", "bold"), (f"{glyphs().dot} votes: {counts}", "$foreground-muted"))
        self.query_one(ChatLog).reveal(event.pair, told)
        self.query_one(PromptField).focus()
        self.show_now()

    def name_prompt(self) -> None:
        field = self.query_one(PromptField)
        tuned, base = ("tuned", "bold $primary"), ("base", "bold $secondary")
        asked = [tuned if adapter else base for adapter in ADAPTERS[self._chat.who]]
        whom = Content(" and ").join(Content.styled(*one) for one in asked)
        if self._chat.who == "blind":
            whom = Content.styled("both, blind", "bold")
        elif self.beside is not None:
            names = (self.session.link.run.id, "bold $primary"), (plain_line(self.beside.name), "bold $secondary")
            whom = Content(" and ").join(Content.styled(*one) for one in names)
        self.name_beside()
        about = f" about {plain_line(Path(self._chat.image).name)}" if self._chat.image else ""
        field.border_title = Content.assemble("ask ", whom, about)
        waits = "sent once the model is loaded, esc keeps it"
        field.border_subtitle = Content(waits if self._chat.waits else "enter sends, ctrl+j new line")

    def action_stop_reply(self) -> None:
        """End the reply where it stands, or wait no more for the model that is to give it."""
        self.wait_no_more()
        try:
            for asked in self._chat.asked.values():
                self.session.stop_reply(asked)
            if self._chat.asked and self.beside is not None:
                self.beside.stop_reply()
        except OSError as error:
            self.notify(f"The reply could not be stopped: {clause(str(error))}", severity="error", markup=False)
