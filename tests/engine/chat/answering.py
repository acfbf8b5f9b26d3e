"""Prompts answered alone and several at once, with all tokens that were drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from cockpit.engine.chat.batches import PromptBatches
from cockpit.engine.chat.replies import Chatter, Reply
from cockpit.engine.chat.reply_stream import ReplyStream
from cockpit.engine.controls import Controls
from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded
from cockpit.protocol.commands import AnswerPrompts, Chat
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import PromptAnswered
from cockpit.runs.folder import RunDir

Talk = list[dict[str, str]]


class Recorder(Chatter):
    """Keeps the tokens of each reply, by its prompt's."""

    def __init__(self, loaded: Loaded, run: RunDir) -> None:
        template = ChatTemplate(loaded.tokenizer) if loaded.tokenizer.chat_template else None
        super().__init__(loaded, template, Journal(run), Controls())
        self.drawn: dict[tuple[int, ...], list[int]] = {}

    def stream(self, tell: Any) -> ReplyStream:
        """One that keeps what passes."""
        stream, passed = super().stream(tell), []
        put = stream.put

        def keep(value: torch.Tensor) -> None:
            passed.append(value.flatten().tolist())
            self.drawn[tuple(passed[0])] = [token for ids in passed[1:] for token in ids]
            put(value)

        stream.put = keep  # type: ignore[method-assign]
        return stream


def talks(prompts: list[str]) -> list[Talk]:
    """A conversation of each."""
    return [[{"role": "user", "content": prompt}] for prompt in prompts]


def alone(chatter: Chatter, talk: Talk, tokens: int, *, adapter: bool = True) -> tuple[Reply, str]:
    """The greedy reply by itself, and its words."""
    words: list[str] = []
    chat = Chat(id="1", messages=talk, adapter=adapter, do_sample=False, max_new_tokens=tokens)
    reply = chatter.reply(chat, lambda text, thinking, drawn: words.append(text), lambda: False)
    return reply, "".join(words)


def together(
    chatter: Chatter,
    run: RunDir,
    asked: list[Talk],
    tokens: int,
    *,
    adapter: bool = True,
    controls: Controls | None = None,
) -> list[PromptAnswered]:
    """The answers to all, in their order."""
    command = AnswerPrompts(id="c", conversations=asked, adapter=adapter, max_new_tokens=tokens)
    before = len(EventReader(run.chat).poll())
    PromptBatches(chatter, Journal(run), controls or Controls()).answer(command)
    told = [one for one in EventReader(run.chat).poll()[before:] if isinstance(one, PromptAnswered)]
    return sorted(told, key=lambda one: one.index)


def new_run(folder: Path) -> RunDir:
    """Where the answers are told."""
    return RunDir.create(folder / "run")
