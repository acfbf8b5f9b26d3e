"""Chat: talk to what a run has trained, and ask its base the same."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.widgets import Static

from cockpit.data.inputs import trains_images
from cockpit.recipe.family_presets import all_presets
from cockpit.runs.opening import compared_samples, how_it_ended
from cockpit.text.plain_text import plain_text
from cockpit.ui.messages import ExportRun
from cockpit.ui.runs.chat_state import ADAPTERS
from cockpit.ui.screens.chat_asking import AskingKeys
from cockpit.ui.screens.path_dialog import PathDialog
from cockpit.ui.widgets.chat_log import ChatLog
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.prompt_field import PromptField
from cockpit.ui.widgets.reply_figures import ReplyFigures
from cockpit.ui.widgets.run_line import RunLine
from cockpit.ui.widgets.run_panel import RunPanel
from cockpit.ui.widgets.sampling_form import SamplingForm
from cockpit.ui.widgets.vote_bar import VoteBar

if TYPE_CHECKING:
    from cockpit.ui.runs.chat_engine import ChatEngine
    from cockpit.ui.runs.session import RunSession

POLL_EVERY_S = 0.06
"""As often as an engine writes of a reply: 16 times a second."""
TYPED_AFTER_S = 1.0
"""Letters that come sooner after the screen has opened by itself were meant for the one before: nothing takes them."""
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
IMAGE_ASKED = "The picture that the next prompt is about."
ROOM_FOR_SIDE = 76
"""Columns from which on talk and fields stand side by side."""
ROOM_FOR_THREE = 116
"""Where the talk itself has two columns."""
TYPING_S = 0.3
"""Whoever has pressed a key so lately may press the next one at once."""
KEY_FRAME_S = 0.03
"""By then a key is answered on the screen."""
FIGURES_EVERY = 8
"""Polls between two frames of the figures of a reply that grows."""
CLOCK_EVERY = 8
"""Polls between two looks at the clock while nothing happens."""


class ChatScreen(AskingKeys):
    """One run's model. It polls while it is visible."""

    AUTO_FOCUS = ""
    CSS_PATH = "chat.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (ROOM_FOR_SIDE, "-narrow"), (100, "-wide"), (160, "-huge")]
    HELP = (
        "Talk to the model that the run has trained. F3 asks its base too, side by side and at the same time, then "
        "the base alone: the last prompt is asked again, and who was chosen stays for the next ones. Words that "
        "differ are underlined. F10 asks a checkpoint or another run the same, side by side. Blind asks tuned and "
        "base without saying which is which, for a vote. Each is sent its own earlier replies; ctrl+n begins anew. A "
        "model that learnt from images takes one with a prompt: F9, or drop its file here. ctrl+r asks again, F2 "
        "edits the last prompt, F6 copies the reply, ctrl+s saves the talk, F7 has earlier ones, ctrl+g shows "
        "replies as they were written, ctrl+b folds reasoning."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop_reply", "stop reply", id="chat.stop", tooltip="End the reply where it stands"),
        Binding("f3,ctrl+t", "switch", "tuned/both/base", id="chat.switch", key_display="F3",
                tooltip="Ask tuned and base side by side, base alone, tuned alone; the last prompt is asked again"),
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
        Binding("f10,ctrl+l", "beside", "beside", id="chat.beside", key_display="F10", priority=True,
                tooltip="Ask a checkpoint or another run the same, side by side"),
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
        self._has_news, self._drawn_at = False, float("-inf")
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
                yield ChatLog(
                    takes_prompts=not self.session.is_recording,
                    markdown=talk.markdown,
                    folds=talk.folds,
                    classes="pane",
                )
                yield VoteBar()
                offer, pictures = chat.trial_prompt if talk.draft is None else "", IMAGES if self._sees else ()
                yield PromptField(offer, pictures=pictures, classes="pane")
            with VerticalScroll(id="side", can_focus=False):
                with Vertical(id="who-panel", classes="pane") as who:
                    who.border_title = Content("who answers")
                    help = "The model with its adapter, without it, or both at the same time; blind: both, and a vote."
                    yield Choice(["tuned", "both", "base", "blind"], talk.who, id="who", help=help)
                    yield Static("", id="beside", markup=False)
                presets = all_presets(chat.presets, self.session.recipe.model.name_or_path)
                yield SamplingForm(presets, talk.sampling, classes="pane")
                yield ReplyFigures(classes="pane")
                yield RunPanel(classes="pane", can_focus=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin to poll."""
        log, prompt = self.query_one(ChatLog), self.query_one(PromptField)
        log.border_title = Content("chat")
        self._chat.waits = ""
        for turn in self._chat.conversation.turns:
            prompt.remember(turn.prompt)
        if self._chat.draft is not None:
            prompt.text = self._chat.draft
            prompt.move_cursor(prompt.document.end)
        self.name_prompt()
        state = self.session.state
        if not self._chat.hidden and not self._chat.conversation.turns:
            log.open_with(compared_samples(state))
        log.resume(self._chat.conversation, self._chat.hidden, state.replies, state.answers, self.reply_beside)
        self.set_interval(POLL_EVERY_S, self._tick)
        self._tick()
        if self._opens_by_itself:
            self.set_timer(TYPED_AFTER_S, self._take_focus)
        else:
            self._take_focus()
        if not self._chat.conversation.turns:
            enter = "Enter loads the model, then sends" if self._can_load else "Enter sends"
            does = f"{enter} the prompt below." if prompt.text.strip() else f"Type a prompt: {enter} it."
            does = f"{does} F3 asks the base model too, side by side."
            log.hint(" ".join(filter(None, (how_it_ended(state), does))))

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
        self._has_news = self.session.poll() or self._has_news
        self._engine.tick()
        if self.beside is not None:
            self._has_news = self.beside.tick() or self._has_news
        self._ticks += 1
        if (self._has_news and not self._is_typed_to()) or self._ticks % CLOCK_EVERY == 1:
            self.show_now()

    def _is_typed_to(self) -> bool:
        """Whether keys go first: while somebody types, what a reply has grown by is drawn once between two keys."""
        now, typed_at = time.monotonic(), getattr(self.app, "typed_at", float("-inf"))
        if now - typed_at > TYPING_S or now - self._drawn_at > TYPING_S:
            return False
        return self._drawn_at > typed_at or now - typed_at < KEY_FRAME_S

    def show_now(self) -> None:
        session, state = self.session, self.session.state
        self._has_news, self._drawn_at = False, time.monotonic()
        self.query_one(RunLine).show(session.link.run.id, session.status, state)
        gone = session.liveness in ("lost", "exited") or state.exited is not None or state.unloaded is not None
        is_broken, beside = gone and not session.is_recording, self.beside
        self.query_one(ChatLog).show(state.replies, state.answers, is_broken=is_broken, others=self.others())
        is_answered = gone or all(map(state.is_answered, self._chat.asked.values()))
        if self._chat.asked and is_answered and (beside is None or beside.is_answered):
            self._chat.asked = {}
            if self._chat.switched:
                self._put_to_who_is_chosen()
        if self._ticks % FIGURES_EVERY == 1 or not self._chat.asked:
            is_told = not self.query_one(ChatLog).has_blind
            self.query_one(ReplyFigures).show(state.newest_replies() if is_told else [])
        self.query_one(RunPanel).show(session.recipe, state)
        self._show_notice()
        self.put_what_waits()
        keys = [self.check_action(action, ()) for action in ("stop_reply", "switch", "load", "end_export")]
        if keys != self._keys_shown:
            self._keys_shown = keys
            self.refresh_bindings()

    def _show_notice(self) -> None:
        kind, text = self._silence
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
            return bool(self._chat.asked or self._chat.waits)
        if action in ("back", "talk"):
            is_at_talk = isinstance(self.focused, PromptField | ChatLog | None)
            return not (self._chat.asked or self._chat.waits) and is_at_talk == (action == "back")
        if action in ("send", "switch"):
            return self._may_answer
        if action in ("again", "edit_last", "save"):
            return bool(self._chat.conversation.turns)
        if action == "conversations":
            return not self.session.is_recording
        if action == "beside":
            return not self.session.is_recording and not self._chat.asked
        if action == "image":
            return self._sees and not self.session.is_recording
        if action == "export":
            saved = self.session.state.adapter is not None and not self.session.is_recording
            return saved and not self.session.is_exporting
        if action == "end_export":
            return self.session.is_exporting
        if action == "load":
            return self._can_load
        return True

    def action_sampling(self) -> None:
        """To the sampling fields; from them back to the prompt."""
        side = self.query_one("#side")
        if self.focused is not None and side in self.focused.ancestors:
            self.to_talk()
        else:
            self.show_side(True)
            self.query_one(SamplingForm).focus_first()

    def to_talk(self) -> None:
        self.show_side(False)
        self.query_one(PromptField).focus()

    def show_side(self, is_at_side: bool) -> None:
        """Talk and fields, or what was gone to of the two where there is room for one. At once, so that it can take the
        focus."""
        self._is_at_side = is_at_side
        asks_two = len(ADAPTERS[self._chat.who]) > 1 or self._chat.who == "beside"
        has_room = self.size.width >= (ROOM_FOR_THREE if asks_two else ROOM_FOR_SIDE)
        self.query_one("#talk").display = has_room or not is_at_side
        side = self.query_one("#side")
        side.display = has_room or is_at_side
        side.set_class(not has_room, "-alone")

    def on_resize(self) -> None:
        """There may be room for both now."""
        self.show_side(self._is_at_side)

    def _draft(self) -> str | None:
        """What is to stand in the prompt field again; None where nothing has been made of the trial prompt."""
        text = self.query_one(PromptField).text
        is_offer = text == plain_text(self.session.recipe.chat.trial_prompt)
        return None if is_offer and not self._chat.conversation.turns else text

    def action_image(self) -> None:
        """Ask for the picture that the next prompt is about."""

        def chosen(path: str | None) -> None:
            if path is not None:
                self.ask_about(path)

        self.app.push_screen(PathDialog("about an image", IMAGE_ASKED, IMAGES, "take"), chosen)

    def action_export(self) -> None:
        """Ask in which form."""
        self.post_message(ExportRun(self.session.link.run))

    def action_end_export(self) -> None:
        """Ask whether to; in which form, where it has ended just now."""
        self.action_export()

    def action_back(self) -> None:
        """Back to the run; what stands in the prompt is kept."""
        self._chat.draft = self._draft()
        self.app.pop_screen()

    def action_talk(self) -> None:
        """From the fields to the prompt."""
        self.to_talk()
