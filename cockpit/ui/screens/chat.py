"""Chat: talk to what a run has trained, and ask its base the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.screen import Screen
from textual.widgets import Static

from cockpit.data.inputs import trains_images
from cockpit.runs.conversation import Conversation, Messages
from cockpit.text.plain_text import plain_line, plain_text
from cockpit.ui.messages import ExportRun
from cockpit.ui.runs.chat_notice import clause, why_silent
from cockpit.ui.screens.path_dialog import PathDialog
from cockpit.ui.widgets.chat_log import ChatLog
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.prompt_field import PromptField
from cockpit.ui.widgets.reply_figures import ReplyFigures
from cockpit.ui.widgets.run_line import RunLine
from cockpit.ui.widgets.run_panel import RunPanel
from cockpit.ui.widgets.sampling_form import SamplingForm

if TYPE_CHECKING:
    from cockpit.ui.runs.chat_engine import ChatEngine
    from cockpit.ui.runs.session import RunSession

POLL_EVERY_S = 0.1
TYPED_AFTER_S = 1.0
"""Letters that come sooner after the screen has opened by itself were meant for the one before: nothing takes them."""
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
IMAGE_ASKED = "The picture that the next prompt is about."
ROOM_FOR_BOTH = 76
"""Columns from which on talk and fields stand side by side."""
CLOCK_EVERY = 5
"""Polls between two looks at the clock while nothing happens."""


class ChatScreen(Screen[None]):
    """One run's model. It polls while it is visible."""

    AUTO_FOCUS = ""
    CSS_PATH = "chat.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (ROOM_FOR_BOTH, "-narrow"), (100, "-wide"), (160, "-huge")]
    HELP = (
        "Talk to the model that the run has trained. F3 switches its adapter off and on: the last prompt is asked "
        "again, so that base and tuned answer the same. Earlier turns are sent along; ctrl+n begins anew. A model that "
        "learnt from images takes one with a prompt (F9)."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop_reply", "stop reply", id="chat.stop", tooltip="End the reply where it stands"),
        Binding("f3,ctrl+t", "switch", "base/tuned", id="chat.switch", key_display="F3",
                tooltip="Switch the adapter off or on and ask the last prompt again"),
        Binding("f4", "sampling", "sampling", id="chat.sampling", tooltip="Go to the sampling fields, and back",
                key_display="F4"),
        Binding("enter", "send", "send", id="chat.send", tooltip="Send the prompt"),
        Binding("ctrl+n", "new_conversation", "new", id="chat.new", tooltip="Begin a new conversation"),
        Binding("f9,ctrl+o", "image", "image", id="chat.image", key_display="F9",
                tooltip="Choose the picture that the next prompt is about"),
        Binding("f5", "load", "load model", id="chat.load", tooltip="Start an engine that loads what the run has saved",
                key_display="F5"),
        Binding("f8", "export", "export", id="chat.export", key_display="F8",
                tooltip="Save the adapter, a merged model or GGUF elsewhere"),
        Binding("f8", "end_export", "end export", id="chat.end_export", key_display="F8",
                tooltip="End the export that is under way; nothing of it is left behind"),
        Binding("escape", "talk", "talk", id="chat.talk", tooltip="Back to the prompt"),
        Binding("escape", "back", "run", id="chat.back", tooltip="Back to the run"),
    ]  # fmt: skip

    def __init__(self, session: RunSession, engine: ChatEngine | None = None, *, by_itself: bool = False) -> None:
        """`engine` loads the model of a run whose engine is gone; made here where it is not given. `by_itself`: nobody
        has asked for the screen."""
        super().__init__()
        self._opens_by_itself = by_itself
        self.session = session
        self._chat = session.chat
        self._sees = trains_images(session.recipe)
        engine = engine or self._chat.engine
        if engine is None:
            from cockpit.ui.runs.chat_engine import ChatEngine

            engine = ChatEngine(session)
        self._engine = self._chat.engine = engine
        self._ticks = 0
        self._notice = ""
        self._keys_shown: list[bool | None] = []
        self._is_at_side = False
        """Whether the fields were gone to; where there is room for one of the two, they stand in the talk's place."""

    def compose(self) -> ComposeResult:
        """The conversation on the left, how replies are drawn on the right."""
        chat, talk = self.session.recipe.chat, self._chat
        yield RunLine()
        yield Static("", id="notice", markup=False)
        with Horizontal(id="chat"):
            with Vertical(id="talk"):
                yield ChatLog(takes_prompts=not self.session.is_recording, classes="pane")
                yield PromptField(chat.trial_prompt if talk.draft is None else "", classes="pane")
            with VerticalScroll(id="side", can_focus=False):
                with Vertical(id="who-panel", classes="pane") as who:
                    who.border_title = Content("who answers")
                    who_now = "tuned" if talk.adapter else "base"
                    help = "The model with its adapter, or without it."
                    yield Choice(["tuned", "base"], who_now, id="who", help=help)
                yield SamplingForm(chat.presets, talk.sampling, classes="pane")
                yield ReplyFigures(classes="pane")
                yield RunPanel(classes="pane", can_focus=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin to poll."""
        log, prompt = self.query_one(ChatLog), self.query_one(PromptField)
        log.border_title = Content("chat")
        for turn in self._chat.conversation.turns:
            prompt.remember(turn.prompt)
        if self._chat.draft is not None:
            prompt.text = self._chat.draft
            prompt.move_cursor(prompt.document.end)
        self._name_prompt()
        state = self.session.state
        log.resume(self._chat.conversation, self._chat.hidden, state.replies, state.answers)
        self.set_interval(POLL_EVERY_S, self._tick)
        self._tick()
        if self._opens_by_itself:
            self.set_timer(TYPED_AFTER_S, self._take_focus)
        else:
            self._take_focus()
        if not self._chat.conversation.turns:
            first = "F5 loads the model. Then Enter" if self.check_action("load", ()) else "Enter"
            log.hint(f"{first} sends the prompt below. F3 asks the base model the same.")

    def _take_focus(self) -> None:
        self._opens_by_itself = False
        if self.focused is None:
            self.set_focus(self.query_one(PromptField))  # at once: a letter in between would be the app's

    def on_key(self, event: Key) -> None:
        """Letters that come before the prompt takes them were meant for the screen that was here; q quits no chat."""
        if self._opens_by_itself and self.focused is None and event.is_printable:
            event.stop()

    # What happens

    def _tick(self) -> None:
        top = self.app.screen
        if not self.display or (top is not self and not top.is_modal):  # it is being removed, or covered
            return
        news = self.session.poll()
        self._engine.tick()
        self._ticks += 1
        if news or self._ticks % CLOCK_EVERY == 1:
            self._show()

    def _show(self) -> None:
        session, state = self.session, self.session.state
        self.query_one(RunLine).show(session.link.run.id, session.status, state)
        gone = session.liveness in ("lost", "exited") or state.exited is not None or state.unloaded is not None
        self.query_one(ChatLog).show(state.replies, state.answers, is_broken=gone and not session.is_recording)
        if self._chat.asked is not None:
            reply, answer = state.replies.get(self._chat.asked), state.answers.get(self._chat.asked)
            if (reply is not None and reply.ended) or (answer is not None and not answer.accepted) or gone:
                self._chat.asked = None
                if self._chat.switched:
                    self._put_to_who_is_chosen()
        newest = next(reversed(state.replies.values()), None)
        self.query_one(ReplyFigures).show(newest)
        self.query_one(RunPanel).show(session.recipe, state)
        self._show_notice()
        keys = [self.check_action(action, ()) for action in ("stop_reply", "switch", "load", "end_export")]
        if keys != self._keys_shown:
            self._keys_shown = keys
            self.refresh_bindings()

    def _show_notice(self) -> None:
        kind, text = why_silent(self.session, self._engine)
        if text == self._notice:
            return
        self._notice = text
        notice = self.query_one("#notice", Static)
        notice.update(Content(text))
        for known in ("waiting", "missing", "bad"):
            notice.set_class(kind == known, f"-{known}")

    # What is asked

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the keys that do something now."""
        if action == "stop_reply":
            return self._chat.asked is not None
        if action in ("back", "talk"):
            is_at_talk = isinstance(self.focused, PromptField | ChatLog | None)
            return self._chat.asked is None and is_at_talk == (action == "back")
        if action in ("send", "switch"):
            return self.session.can_chat
        if action == "image":
            return self._sees and not self.session.is_recording
        if action == "export":
            saved = self.session.state.adapter is not None and not self.session.is_recording
            return saved and not self.session.is_exporting
        if action == "end_export":
            return self.session.is_exporting
        if action == "load":
            takes = self.session.state.adapter is not None and not self.session.is_recording
            return takes and why_silent(self.session, self._engine)[0] in ("missing", "bad")
        return True

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
        command_id = self._ask(
            talk.conversation.messages_for(prompt, self.session.state.replies, image=talk.image, system=self._system())
        )
        if command_id is None:
            return False
        talk.conversation.ask(prompt, command_id, image=talk.image, adapter=talk.adapter)
        self.query_one(ChatLog).ask(command_id, talk.conversation.turns[-1].shown, adapter=talk.adapter)
        talk.image = None
        self._name_prompt()
        self.query_one(PromptField).remember(prompt)
        if self._is_at_side and not self.query_one("#talk").display:
            self._to_talk()
        self._show()
        return True

    def _system(self) -> str:
        """The system prompt as it stands in its field."""
        sampling = self.query_one(SamplingForm).sampling
        return sampling.system_prompt if sampling is not None else ""

    def _ask(self, messages: Messages) -> str | None:
        """Send; the command's id, or None where that cannot be done now: then it is said why."""
        sampling = self.query_one(SamplingForm).sampling
        refusal = ""
        if self._chat.asked is not None:
            refusal = "A reply is being written; Escape stops it."
        elif not self.session.can_chat:
            refusal = why_silent(self.session, self._engine)[1] or "The model is not there."
        elif sampling is None:
            refusal = self.query_one(SamplingForm).problem
        if refusal or sampling is None:
            self.notify(refusal, severity="warning", markup=False)
            return None
        try:
            self._chat.asked = self.session.ask(messages, adapter=self._chat.adapter, sampling=sampling)
        except OSError as error:
            self.notify(f"The prompt could not be sent: {clause(str(error))}", severity="error", markup=False)
        return self._chat.asked

    def action_switch(self) -> None:
        """The other of base and tuned; the last prompt is put to it too."""
        who = self.query_one("#who", Choice)
        who.value = "base" if who.value == "tuned" else "tuned"

    @on(Choice.Changed, "#who")
    def _on_who(self, event: Choice.Changed) -> None:
        event.stop()
        self._chat.adapter = event.value == "tuned"
        self._name_prompt()
        self._chat.switched = self._chat.asked is not None
        if not self._chat.switched:
            self._put_to_who_is_chosen()

    def _put_to_who_is_chosen(self) -> None:
        """The last prompt, unless it was they who have just been asked it."""
        self._chat.switched = False
        talk = self._chat.conversation
        prompt = talk.last_prompt
        if prompt is None or not self.session.can_chat or talk.turns[-1].adapters[-1] == self._chat.adapter:
            return
        command_id = self._ask(talk.messages_for(prompt, self.session.state.replies, again=True, system=self._system()))
        if command_id is not None:
            talk.ask_again(command_id, adapter=self._chat.adapter)
            self.query_one(ChatLog).ask(command_id, talk.turns[-1].shown, adapter=self._chat.adapter, again=True)
            self._show()

    def _name_prompt(self) -> None:
        field = self.query_one(PromptField)
        who, style = ("tuned", "bold $primary") if self._chat.adapter else ("base", "bold $secondary")
        about = f" about {plain_line(Path(self._chat.image).name)}" if self._chat.image else ""
        field.border_title = Content.assemble("ask ", (who, style), about)
        field.border_subtitle = Content("enter sends, ctrl+j new line")

    def action_stop_reply(self) -> None:
        """End the reply where it stands."""
        if self._chat.asked is not None:
            try:
                self.session.stop_reply(self._chat.asked)
            except OSError as error:
                self.notify(f"The reply could not be stopped: {clause(str(error))}", severity="error", markup=False)

    def action_new_conversation(self) -> None:
        """Nothing of what was said is sent along any more."""
        self.action_stop_reply()
        self._chat.conversation, self._chat.asked, self._chat.image = Conversation(), None, None
        self._name_prompt()
        self._chat.hidden = len(self.session.state.replies)
        log = self.query_one(ChatLog)
        log.clear(self.session.state.replies)
        log.hint("A new conversation.")
        self.query_one(PromptField).text = ""
        self.query_one(PromptField).focus()
        self._show()

    def action_sampling(self) -> None:
        """To the sampling fields; from them back to the prompt."""
        side = self.query_one("#side")
        if self.focused is not None and side in self.focused.ancestors:
            self._to_talk()
        else:
            self._show_side(True)
            self.query_one(SamplingForm).focus_first()

    def _to_talk(self) -> None:
        self._show_side(False)
        self.query_one(PromptField).focus()

    def _show_side(self, is_at_side: bool) -> None:
        """Both, or the one that was gone to where there is room for one. At once, so that it can take the focus."""
        self._is_at_side = is_at_side
        has_room = self.size.width >= ROOM_FOR_BOTH
        self.query_one("#talk").display = has_room or not is_at_side
        self.query_one("#side").display = has_room or is_at_side

    def on_resize(self) -> None:
        """There may be room for both now."""
        self._show_side(self._is_at_side)

    def _draft(self) -> str | None:
        """What is to stand in the prompt field again; None where nothing has been made of the trial prompt."""
        text = self.query_one(PromptField).text
        is_offer = text == plain_text(self.session.recipe.chat.trial_prompt)
        return None if is_offer and not self._chat.conversation.turns else text

    def action_image(self) -> None:
        """Ask for the picture that the next prompt is about."""

        def chosen(path: str | None) -> None:
            if path is not None:
                self._chat.image = str(Path(path).expanduser().absolute())
                self._name_prompt()
                self.query_one(PromptField).focus()

        self.app.push_screen(PathDialog("about an image", IMAGE_ASKED, IMAGES, "take"), chosen)

    def action_export(self) -> None:
        """Ask in which form."""
        self.post_message(ExportRun(self.session.link.run))

    def action_end_export(self) -> None:
        """Ask whether to; in which form, where it has ended just now."""
        self.action_export()

    def action_load(self) -> None:
        """Start an engine that loads what the run has saved."""
        self._engine.load()
        self._show()

    def action_back(self) -> None:
        """Back to the run; what stands in the prompt is kept."""
        self._chat.draft = self._draft()
        self.app.pop_screen()

    def action_talk(self) -> None:
        """From the fields to the prompt."""
        self._to_talk()
