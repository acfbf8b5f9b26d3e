"""stream a reply, with the adapter or without it"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from cockpit.engine.chat.inputs import chat_inputs
from cockpit.engine.chat.quick import QuickDrawing
from cockpit.engine.chat.reply_stream import ReplyStream, Tell
from cockpit.engine.chat.thinking import USUAL_MARKS, ThinkingMarks
from cockpit.engine.controls import Controls
from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.data.turn_ends import turn_end_ids
from cockpit.engine.errors import first_line, is_out_of_memory
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded
from cockpit.protocol.commands import Chat, shown_prompt
from cockpit.protocol.events import ReplyEnd, ReplyEnded, ReplyGrew, ReplyStarted
from cockpit.text.plain_text import plain_line

WARM_UP_TOKENS = 8

Between = Callable[[], None]
"""Called between two tokens of a reply, when the model is in nobody's use."""


@dataclass(frozen=True)
class Reply:
    """How a reply has ended, and its figures. `first_token_s`: None where no token came; `reason`: a sentence."""

    end: ReplyEnd
    prompt_tokens: int
    new_tokens: int
    duration_s: float
    first_token_s: float | None
    reason: str = ""


class Chatter:
    """Answers with a loaded model. The prompt is rendered by the chat template, as training rendered conversations;
    rows of plain text were learnt without one."""

    def __init__(self, loaded: Loaded, template: ChatTemplate | None, journal: Journal, controls: Controls) -> None:
        """Without a `template` the last message is the prompt as it stands."""
        self.loaded = loaded
        self.template = template
        self._journal = journal
        self._controls = controls
        self._marks = ThinkingMarks.of(template) if template is not None else USUAL_MARKS
        self._ends = template.markers.reply_end if template is not None else ""
        self.quick = QuickDrawing(loaded, journal)

    def warm_up(self, *, adapter: bool) -> None:
        """Answer a word that nobody asked, so that what the first reply would wait for is there. On a GPU only."""
        if torch.cuda.is_available() and (adapter or self.loaded.adapted):
            messages = [{"role": "user", "content": "Hello"}]
            chat = Chat(id="", messages=messages, adapter=adapter, do_sample=False, max_new_tokens=WARM_UP_TOKENS)
            self.reply(chat, lambda text, thinking, tokens: None, lambda: False)

    def answer(self, chat: Chat, between: Between | None = None, command_id: str = "", *, trains: bool = False) -> None:
        """Stream the reply into the chat log. What goes wrong ends the reply, not the engine. `command_id` is that of
        the command which the chat is a part of; `trains` as for `reply`."""
        journal = self._journal

        def tell(text: str, thinking: str, tokens: int) -> None:
            journal.emit_reply(ReplyGrew(command_id=chat.id, text=text, thinking=thinking, tokens=tokens))

        prompt = shown_prompt(chat.messages[-1]) if chat.messages else ""
        journal.emit_reply(ReplyStarted(command_id=chat.id, prompt=prompt, adapter=chat.adapter, both=command_id))
        ids = {chat.id, command_id or chat.id}
        is_ended = self._controls.is_reply_ended
        reply = self.reply(chat, tell, lambda: any(map(is_ended, ids)), trains=trains, between=between)
        journal.emit_reply(
            ReplyEnded(
                command_id=chat.id,
                end=reply.end,
                prompt_tokens=reply.prompt_tokens,
                new_tokens=reply.new_tokens,
                duration_s=reply.duration_s,
                first_token_s=reply.first_token_s,
                reason=reply.reason,
            )
        )

    def reply(
        self,
        chat: Chat,
        tell: Tell,
        is_halted: Callable[[], bool],
        *,
        trains: bool = False,
        between: Between | None = None,
    ) -> Reply:
        """Draw a reply, `tell` what it grows by, and end it where it stands once it `is_halted`. `trains`: the weights
        are trained further afterwards. What is done `between` tokens counts for none of its time. What goes wrong ends
        the reply."""
        begun, waited = time.monotonic(), 0.0

        def aside() -> None:
            nonlocal waited
            since = time.monotonic()
            assert between is not None
            between()
            waited += time.monotonic() - since

        stream = self.stream(tell)
        end: ReplyEnd = "failed"
        reason, prompt_tokens = "", 0
        try:
            inputs = self.inputs(chat)
            prompt_tokens = inputs["input_ids"].shape[1]
            room = self.loaded.context_tokens - prompt_tokens
            if room < 1:
                reason = (
                    f"The prompt has {prompt_tokens:,} tokens, and the model is prepared for "
                    f"{self.loaded.context_tokens:,} (model.max_seq_length); ask something shorter."
                )
            else:
                if chat.seed is not None:
                    torch.manual_seed(chat.seed)
                # What a model keeps of a pass in inference mode, as tables of positions, cannot be trained with.
                mode = torch.no_grad if trains else torch.inference_mode
                with mode():
                    tokens = min(room, chat.max_new_tokens)
                    end = self._generate(chat, inputs, tokens, stream, is_halted, aside if between else None)
        except Exception as error:
            reason = why_failed(error)
        first = stream.first_token_at
        return Reply(
            end=end,
            prompt_tokens=prompt_tokens,
            new_tokens=stream.tokens,
            duration_s=time.monotonic() - begun - waited,
            first_token_s=None if first is None else first - begun,
            reason=reason,
        )

    def inputs(self, chat: Chat) -> dict[str, torch.Tensor]:
        """What the model is given. Raises ValueError with a sentence where it cannot be asked."""
        if not (chat.adapter or self.loaded.adapted):
            raise ValueError("Every weight of the model was trained, so there is no base here to compare with.")
        return chat_inputs(self.loaded, self.template, chat)

    def stream(self, tell: Tell) -> ReplyStream:
        """What makes a reply's tokens into its reasoning and its answer."""
        return ReplyStream(self.loaded.tokenizer, tell, self._marks, self._ends)

    def _generate(
        self,
        chat: Chat,
        inputs: dict[str, torch.Tensor],
        new_tokens: int,
        stream: ReplyStream,
        is_halted: Callable[[], bool],
        between: Between | None,
    ) -> ReplyEnd:
        settings = self.settings(chat, new_tokens)
        _, halted = self.generate(chat, inputs, settings, is_halted, stream, between)
        stream.end()
        if halted:
            return "stopped"
        return "end_of_turn" if stream.last_token in (settings.eos_token_id or ()) else "max_new_tokens"

    def generate(
        self,
        chat: Chat,
        inputs: dict[str, torch.Tensor],
        settings: GenerationConfig,
        is_halted: Callable[[], bool],
        stream: ReplyStream | None = None,
        between: Between | None = None,
    ) -> tuple[torch.Tensor, bool]:
        """Prompts [rows, tokens] and what is drawn after them, rows that end first filled up; whether it was halted.
        A `stream` takes one row."""
        rows, shared = inputs["input_ids"].shape[0], between is not None
        with _Use(lambda: self._prepared(chat, settings, rows, shared)) as use:
            halt = _Halt(is_halted, use.left_for(between) if between is not None else None)
            alone = {"synced_gpus": False} if self.loaded.is_sharded else {}  # the other ranks draw nothing
            drawn = self.quick.draw(
                **inputs,
                generation_config=settings,
                stopping_criteria=StoppingCriteriaList([halt]),
                streamer=stream,
                **alone,
            )
        return drawn, halt.halted

    @contextlib.contextmanager
    def _prepared(self, chat: Chat, settings: GenerationConfig, rows: int, shared: bool) -> Iterator[None]:
        """Within, the model has its adapter on or off, as `chat` asks, and `settings` for its own, and is quick."""
        model = self.loaded.model
        adapter = contextlib.nullcontext() if chat.adapter else model.disable_adapter()
        with adapter, _own_settings(model, settings), self.quick.on(chat, rows=rows, shared=shared):
            yield

    def settings(self, chat: Chat, new_tokens: int) -> GenerationConfig:
        """How `chat` is answered, in `new_tokens` at most."""
        own = self.loaded.model.generation_config
        # Greedy is the likeliest token, whatever penalties and suppressed tokens the model's own settings have.
        settings = (
            copy.deepcopy(own) if chat.do_sample else GenerationConfig(cache_implementation=own.cache_implementation)
        )
        settings.max_length = None
        settings.num_beams = 1
        settings.max_new_tokens = new_tokens
        settings.do_sample = chat.do_sample
        settings.temperature = chat.temperature if chat.do_sample else None
        settings.top_p = chat.top_p if chat.do_sample else None
        settings.top_k = chat.top_k if chat.do_sample else None
        settings.min_p = (chat.min_p or None) if chat.do_sample else None
        if chat.repetition_penalty is not None:
            settings.repetition_penalty = chat.repetition_penalty
        settings.bos_token_id = own.bos_token_id
        settings.eos_token_id = self.end_ids(own) or None
        settings.pad_token_id = self.loaded.tokenizer.pad_token_id
        settings.use_cache = True
        return settings

    def end_ids(self, settings: GenerationConfig) -> list[int]:
        """All tokens that end a turn: the model's own, the tokenizer's, and the template's where it is one token."""
        mark = self.template.markers.reply_end if self.template else None
        return turn_end_ids(settings.eos_token_id, self.loaded.tokenizer, mark)


class _Use(contextlib.AbstractContextManager["_Use"]):
    """A context that can be left for a while, and entered anew."""

    def __init__(self, make: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        self._make = make

    def __enter__(self) -> _Use:
        self._context = self._make()
        self._context.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)

    def left_for(self, work: Callable[[], None]) -> Callable[[], None]:
        """`work`, done outside of it."""

        def outside() -> None:
            self.__exit__(None, None, None)
            try:
                work()
            finally:
                self.__enter__()

        return outside


@contextlib.contextmanager
def _own_settings(model: Any, settings: GenerationConfig) -> Iterator[None]:
    """`generate` takes what its settings leave open from the model's own: for this reply it finds the same there."""
    owners = [model, model.get_base_model()] if hasattr(model, "get_base_model") else [model]
    before = [owner.generation_config for owner in owners]
    try:
        for owner in owners:
            owner.generation_config = settings
        yield
    finally:
        for owner, own in zip(owners, before, strict=True):
            owner.generation_config = own


class _Halt(StoppingCriteria):
    """Ends a reply between two tokens once that is asked for; else does there what is to be done `between` them."""

    def __init__(self, is_halted: Callable[[], bool], between: Between | None = None) -> None:
        self._is_halted, self._between = is_halted, between
        self.halted = False

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        self.halted = self._is_halted()
        if self._between is not None and not self.halted:
            self._between()
        return torch.full((input_ids.shape[0],), self.halted, dtype=torch.bool, device=input_ids.device)


def why_failed(error: Exception) -> str:
    """A sentence."""
    if is_out_of_memory(error):
        return "Memory ran out while the model answered; ask something shorter or lower max_new_tokens."
    return plain_line(first_line(error))[:300]
