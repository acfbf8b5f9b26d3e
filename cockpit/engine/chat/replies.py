"""stream a reply, with the adapter or without it"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterator
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from cockpit.engine.chat.inputs import chat_inputs
from cockpit.engine.chat.thinking import USUAL_MARKS, ThinkingMarks, ThinkingSplit, special_texts
from cockpit.engine.controls import Controls
from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.data.turn_ends import turn_end_ids
from cockpit.engine.errors import first_line, is_out_of_memory
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded
from cockpit.protocol.commands import Chat, shown_prompt
from cockpit.protocol.events import ReplyEnd, ReplyEnded, ReplyGrew, ReplyStarted
from cockpit.text.plain_text import plain_line

PROMPT_END = 32
"""Tokens at the end of a prompt in which it may open the reasoning."""
GROWS_EVERY_S = 0.06
"""How often a reply that streams is written to the log."""


class Chatter:
    """Answers with a loaded model. The prompt is rendered by the chat template, as training rendered conversations;
    rows of plain text were learnt without one."""

    def __init__(self, loaded: Loaded, template: ChatTemplate | None, journal: Journal, controls: Controls) -> None:
        """Without a `template` the last message is the prompt as it stands."""
        self._loaded = loaded
        self._template = template
        self._journal = journal
        self._controls = controls
        self._marks = ThinkingMarks.of(template) if template is not None else USUAL_MARKS
        self._ends = template.markers.reply_end if template is not None else ""

    def answer(self, chat: Chat) -> None:
        """Stream the reply into the chat log. What goes wrong ends the reply, not the engine."""
        prompt = shown_prompt(chat.messages[-1]) if chat.messages else ""
        self._journal.emit_reply(ReplyStarted(command_id=chat.id, prompt=prompt, adapter=chat.adapter))
        begun = time.monotonic()
        stream = ReplyStream(self._loaded.tokenizer, self._journal, chat.id, self._marks, self._ends)
        end, reason, prompt_tokens = "failed", "", 0
        try:
            if not (chat.adapter or self._loaded.adapted):
                raise ValueError("Every weight of the model was trained, so there is no base here to compare with.")
            inputs = chat_inputs(self._loaded, self._template, chat)
            prompt_tokens = inputs["input_ids"].shape[1]
            room = self._loaded.context_tokens - prompt_tokens
            if room < 1:
                reason = (
                    f"The prompt has {prompt_tokens:,} tokens, and the model is prepared for "
                    f"{self._loaded.context_tokens:,} (model.max_seq_length); ask something shorter."
                )
            else:
                end = self._generate(chat, inputs, min(room, chat.max_new_tokens), stream)
        except Exception as error:
            reason = _reason(error)
        self._journal.emit_reply(
            ReplyEnded(
                command_id=chat.id,
                end=end,  # type: ignore[arg-type]
                prompt_tokens=prompt_tokens,
                new_tokens=stream.tokens,
                duration_s=time.monotonic() - begun,
                first_token_s=None if stream.first_token_at is None else stream.first_token_at - begun,
                reason=reason,
            )
        )

    def _generate(self, chat: Chat, inputs: dict[str, torch.Tensor], new_tokens: int, stream: ReplyStream) -> ReplyEnd:
        model = self._loaded.model
        settings = self._settings(chat, new_tokens)
        halt = _Halt(self._controls, chat.id)
        adapter = contextlib.nullcontext() if chat.adapter else model.disable_adapter()
        with torch.inference_mode(), adapter, _own_settings(model, settings):
            model.generate(
                **inputs,
                generation_config=settings,
                stopping_criteria=StoppingCriteriaList([halt]),
                streamer=stream,
            )
        stream.end()
        if halt.halted:
            return "stopped"
        return "end_of_turn" if stream.last_token in settings.eos_token_id else "max_new_tokens"

    def _settings(self, chat: Chat, new_tokens: int) -> GenerationConfig:
        own = self._loaded.model.generation_config
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
        if chat.repetition_penalty is not None:
            settings.repetition_penalty = chat.repetition_penalty
        settings.bos_token_id = own.bos_token_id
        settings.eos_token_id = self.end_ids(own)
        settings.pad_token_id = self._loaded.tokenizer.pad_token_id
        settings.use_cache = True
        return settings

    def end_ids(self, settings: GenerationConfig) -> list[int]:
        """All tokens that end a turn: the model's own, the tokenizer's, and the template's where it is one token."""
        mark = self._template.markers.reply_end if self._template else None
        return turn_end_ids(settings.eos_token_id, self._loaded.tokenizer, mark)


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


class ReplyStream(BaseStreamer):
    """Tokens as they are drawn -> reasoning and answer in the chat log, a few times a second; special tokens are left
    out."""

    def __init__(
        self, tokenizer: Any, journal: Journal, chat_id: str, marks: ThinkingMarks = USUAL_MARKS, reply_end: str = ""
    ) -> None:
        self._tokenizer = tokenizer
        self._journal = journal
        self._chat_id = chat_id
        self._prompt_is_next = True
        self._ids: list[int] = []
        self._shown_from = 0
        self._shown_to = 0
        self._marks, self._special = marks, [*special_texts(tokenizer), reply_end]
        self._split: ThinkingSplit | None = None
        self._thinking = self._pending = ""
        self._told_at = 0.0
        self.tokens = 0
        self.last_token: int | None = None
        self.first_token_at: float | None = None

    def put(self, value: torch.Tensor) -> None:
        """Called with the prompt, then with each new token."""
        if self._prompt_is_next:
            self._prompt_is_next = False
            prompt = str(self._tokenizer.decode(value.flatten().tolist()[-PROMPT_END:], skip_special_tokens=False))
            self._split = ThinkingSplit(self._marks, self._special, prompt)
            return
        now = time.monotonic()
        for token in value.flatten().tolist():
            self._ids.append(token)
            self.tokens += 1
            self.last_token = token
        if self.first_token_at is None:
            self.first_token_at = now
        self._take(self._grown(whole=False))
        if (self._pending or self._thinking) and now - self._told_at >= GROWS_EVERY_S:
            self._tell(now)

    def end(self) -> None:
        """The reply is whole."""
        self._take(self._grown(whole=True))
        if self._split is not None:
            thinking, answer = self._split.end()
            self._thinking, self._pending = self._thinking + thinking, self._pending + answer
        if self._pending or self._thinking:
            self._tell(time.monotonic())

    def _take(self, text: str) -> None:
        if self._split is not None and text:
            thinking, answer = self._split.feed(text)
            self._thinking, self._pending = self._thinking + thinking, self._pending + answer

    def _tell(self, now: float) -> None:
        grew = ReplyGrew(command_id=self._chat_id, text=self._pending, thinking=self._thinking, tokens=self.tokens)
        self._journal.emit_reply(grew)
        self._thinking, self._pending, self._told_at = "", "", now

    def _grown(self, whole: bool) -> str:
        """The text that the newest tokens add. A character whose bytes are not all there waits for the rest.

        Two windows of tokens are decoded, with the newest and without, as a token's text depends on those before it.
        """
        before = self._decode(self._ids[self._shown_from : self._shown_to])
        after = self._decode(self._ids[self._shown_from :])
        if len(after) <= len(before) or (after.endswith("�") and not whole):
            return ""
        self._shown_from, self._shown_to = self._shown_to, len(self._ids)
        return after[len(before) :]

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=False))


class _Halt(StoppingCriteria):
    """Ends a reply between two tokens once that is asked for."""

    def __init__(self, controls: Controls, chat_id: str) -> None:
        self._controls = controls
        self._chat_id = chat_id
        self.halted = False

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        self.halted = self._controls.is_reply_ended(self._chat_id)
        return torch.full((input_ids.shape[0],), self.halted, dtype=torch.bool, device=input_ids.device)


def _reason(error: Exception) -> str:
    if is_out_of_memory(error):
        return "Memory ran out while the model answered; ask something shorter or lower max_new_tokens."
    return plain_line(first_line(error))[:300]
