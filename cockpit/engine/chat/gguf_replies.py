"""Replies of a GGUF file, by llama.cpp: the same questions and events as those of a model of transformers"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import numpy as np

from cockpit.engine.chat.reply_stream import ReplyStream, Tell
from cockpit.engine.controls import Controls
from cockpit.engine.errors import first_line
from cockpit.engine.journal import Journal
from cockpit.engine.model.gguf_model import GgufModel
from cockpit.protocol.commands import AnswerPrompts, Chat, ChatBoth, Question, shown_prompt
from cockpit.protocol.events import PromptAnswered, ReplyEnd, ReplyEnded, ReplyGrew, ReplyStarted
from cockpit.text.plain_text import plain_line


class GgufAnswers:
    """Answers questions one after the other; there is no base to ask."""

    def __init__(self, model: GgufModel, journal: Journal, controls: Controls) -> None:
        self._model, self._journal, self._controls = model, journal, controls

    @property
    def notes(self) -> list[str]:
        """What is odd about this model, a sentence each."""
        if self._model.template:
            return []
        return ["The file has no chat template: a prompt is given to the model as it stands, without roles."]

    def warm_up(self, is_idle: Callable[[], bool]) -> None:
        """Nothing waits for anything here."""

    def answer(self, asked: Question) -> None:
        """Answer, and tell of it. What goes wrong ends a reply, not the engine."""
        match asked:
            case Chat():
                self._chat(asked)
            case ChatBoth():
                for chat in asked.chats:
                    self._chat(chat, asked.id)
            case AnswerPrompts():
                for index, messages in enumerate(asked.conversations):
                    self._answer_prompt(asked, index, messages)

    def _chat(self, chat: Chat, both: str = "") -> None:
        prompt = shown_prompt(chat.messages[-1]) if chat.messages else ""
        emit = self._journal.emit_reply
        emit(ReplyStarted(command_id=chat.id, prompt=prompt, adapter=chat.adapter, both=both))

        def tell(text: str, thinking: str, tokens: int) -> None:
            emit(ReplyGrew(command_id=chat.id, text=text, thinking=thinking, tokens=tokens))

        emit(self._reply(chat, tell, (chat.id, both or chat.id)))

    def _answer_prompt(self, asked: AnswerPrompts, index: int, messages: list[dict[str, str]]) -> None:
        chat = Chat(
            id=asked.id, messages=messages, adapter=asked.adapter, enable_thinking=asked.enable_thinking,
            do_sample=asked.do_sample, max_new_tokens=asked.max_new_tokens, temperature=asked.temperature, top_p=1.0,
            top_k=0, seed=0,
        )  # fmt: skip
        said: list[tuple[str, str]] = []
        ended = self._reply(chat, lambda text, thinking, _: said.append((text, thinking)), (asked.id,))
        self._journal.emit_reply(
            PromptAnswered(
                command_id=asked.id,
                index=index,
                text="".join(text for text, _ in said),
                thinking="".join(thinking for _, thinking in said),
                end=ended.end,
                prompt_tokens=ended.prompt_tokens,
                new_tokens=ended.new_tokens,
                duration_s=ended.duration_s,
                reason=ended.reason,
            )
        )

    def _reply(self, chat: Chat, tell: Tell, ids: Iterable[str]) -> ReplyEnded:
        begun, stream = time.monotonic(), ReplyStream(self._model, tell)
        prompt: list[int] = []
        end: ReplyEnd = "failed"
        reason = ""
        try:
            prompt = self._prompt(chat)
            end = self._draw(chat, prompt, stream, lambda: any(map(self._controls.is_reply_ended, ids)))
        except Exception as error:
            reason = plain_line(first_line(error))[:300]
        first = stream.first_token_at
        return ReplyEnded(
            command_id=chat.id,
            end=end,
            prompt_tokens=len(prompt),
            new_tokens=stream.tokens,
            duration_s=time.monotonic() - begun,
            first_token_s=None if first is None else first - begun,
            reason=reason,
        )

    def _prompt(self, chat: Chat) -> list[int]:
        """Raises ValueError with a sentence where it cannot be asked."""
        if not chat.adapter:
            raise ValueError("A GGUF file is a whole model: there is no base to ask.")
        if not chat.messages:
            raise ValueError("There is nothing to answer.")
        if any(message.get("image") for message in chat.messages):
            raise ValueError("This model takes no images.")
        ids = self._model.prompt_ids(chat.messages, enable_thinking=chat.enable_thinking)
        if len(ids) >= self._model.context_tokens:
            raise ValueError(
                f"The prompt has {len(ids):,} tokens, and the model is prepared for "
                f"{self._model.context_tokens:,}; ask something shorter."
            )
        return ids

    def _draw(self, chat: Chat, prompt: list[int], stream: ReplyStream, is_halted: Callable[[], bool]) -> ReplyEnd:
        if chat.do_sample:
            sampling = {"temp": chat.temperature, "top_p": chat.top_p, "top_k": chat.top_k, "min_p": chat.min_p}
        else:
            sampling = {"temp": 0.0}
        if chat.repetition_penalty is not None:
            sampling["repeat_penalty"] = chat.repetition_penalty
        stream.put(np.array(prompt))
        end: ReplyEnd = "max_new_tokens"
        room = min(chat.max_new_tokens, self._model.context_tokens - len(prompt))
        for token in self._model.draw(prompt, seed=chat.seed, **sampling):
            stream.put(np.array([token]))
            if self._model.ends(token):
                end = "end_of_turn"
            elif is_halted():
                end = "stopped"
            elif stream.tokens < room:
                continue
            break
        stream.end()
        return end
