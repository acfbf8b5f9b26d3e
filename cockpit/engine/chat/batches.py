"""Many prompts answered several at once: padded on the left, each reply as the model would give it alone"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from cockpit.engine.chat.replies import Chatter, Reply, why_failed
from cockpit.engine.controls import Controls
from cockpit.engine.errors import is_out_of_memory
from cockpit.engine.journal import Journal
from cockpit.protocol.commands import AnswerPrompts, Chat
from cockpit.protocol.events import PromptAnswered, ReplyEnd
from cockpit.suites.together import rows_together


@dataclass(frozen=True)
class _Asked:
    """A prompt that can be answered together with others. `ids` are its tokens."""

    index: int
    chat: Chat
    ids: list[int]


@dataclass(frozen=True)
class _Drawn:
    """The tokens that were drawn for one of them, and how that ended."""

    ids: list[int]
    end: ReplyEnd


class PromptBatches:
    """Answers AnswerPrompts with a loaded model."""

    def __init__(
        self,
        chatter: Chatter,
        journal: Journal,
        controls: Controls,
        tell: Callable[[PromptAnswered], None] | None = None,
        *,
        trains: bool = False,
    ) -> None:
        """`tell` takes each answer, in place of the chat log. `trains`: the weights are trained further afterwards, and
        a stop of the run ends the answers."""
        self._chatter = chatter
        self._journal = journal
        self._controls = controls
        self._tell_reader = tell or journal.emit_reply
        self._trains = trains

    def answer_tokens(self, prompts: list[list[int]], new_tokens: int) -> None:
        """Answer prompts that are rendered already, greedily; each leaves room for the whole reply."""
        chat = Chat(id="", messages=[], do_sample=False, max_new_tokens=new_tokens, temperature=1.0, top_p=1.0, top_k=0)
        for batch in batches([_Asked(index, chat, ids) for index, ids in enumerate(prompts)], new_tokens):
            if self._halt(chat)():
                break
            self._answer_together(batch)

    def answer(self, asked: AnswerPrompts) -> None:
        """Answer all prompts, and tell of each. What goes wrong ends a reply, not the engine."""
        if asked.do_sample:
            torch.manual_seed(0)
        together: list[_Asked] = []
        for index, messages in enumerate(asked.conversations):
            chat = Chat(
                id=asked.id,
                messages=messages,
                adapter=asked.adapter,
                enable_thinking=asked.enable_thinking,
                do_sample=asked.do_sample,
                max_new_tokens=asked.max_new_tokens,
                temperature=asked.temperature,
                top_p=1.0,
                top_k=0,
            )
            ids = self._ids(chat)
            if ids is None:
                self._answer_alone(index, chat)
            else:
                together.append(_Asked(index, chat, ids))
        for batch in batches(together, asked.max_new_tokens):
            if self._trains and self._controls.stop is not None:
                break
            self._answer_together(batch)

    def _ids(self, chat: Chat) -> list[int] | None:
        """The prompt's tokens; None for one that must be answered alone: it has pictures, leaves no room for the whole
        reply, or cannot be asked, which is told in its answer."""
        if any(message.get("image") for message in chat.messages):
            return None
        try:
            ids: list[int] = self._chatter.inputs(chat)["input_ids"][0].tolist()
        except Exception:
            return None
        return ids if len(ids) + chat.max_new_tokens <= self._chatter.loaded.context_tokens else None

    def _answer_alone(self, index: int, chat: Chat) -> None:
        said: list[tuple[str, str]] = []

        def take(text: str, thinking: str, tokens: int) -> None:
            said.append((text, thinking))

        self._tell(index, chat, self._chatter.reply(chat, take, self._halt(chat), trains=self._trains), said)

    def _answer_together(self, batch: list[_Asked]) -> None:
        if len(batch) == 1 and batch[0].chat.messages:
            self._answer_alone(batch[0].index, batch[0].chat)
            return
        begun = time.monotonic()
        try:
            drawn = self._draw(batch)
        except Exception as error:
            if len(batch) == 1:
                (one,), took_s = batch, time.monotonic() - begun
                self._tell(one.index, one.chat, Reply("failed", len(one.ids), 0, took_s, None, why_failed(error)), [])
                return
            if not is_out_of_memory(error):
                self._journal.log("warning", f"Prompts are answered one by one: {why_failed(error)}")
            half = (len(batch) + 1) // 2 if is_out_of_memory(error) else 1
        else:
            duration_s = time.monotonic() - begun
            for one, row in zip(batch, drawn, strict=True):
                self._tell_row(one, row, duration_s, len(batch))
            return
        if torch.cuda.is_available():
            gc.collect()
            torch.cuda.empty_cache()
        for start in range(0, len(batch), half):
            self._answer_together(batch[start : start + half])

    def _draw(self, batch: list[_Asked]) -> list[_Drawn]:
        chatter, chat = self._chatter, batch[0].chat
        settings = chatter.settings(chat, chat.max_new_tokens)
        if settings.pad_token_id is None:
            settings.pad_token_id = settings.eos_token_id[0] if settings.eos_token_id else 0
        longest = max(len(one.ids) for one in batch)
        padded = [[settings.pad_token_id] * (longest - len(one.ids)) + one.ids for one in batch]
        seen = [[0] * (longest - len(one.ids)) + [1] * len(one.ids) for one in batch]
        device = chatter.loaded.device
        inputs = {
            "input_ids": torch.tensor(padded, device=device),
            "attention_mask": torch.tensor(seen, device=device),
        }
        # What a model keeps of a pass in inference mode, as tables of positions, cannot be trained with.
        with torch.no_grad() if self._trains else torch.inference_mode():
            rows, halted = chatter.generate(chat, inputs, settings, self._halt(chat))
        ends = set(settings.eos_token_id or ())
        return [_until_end(row, ends, "stopped" if halted else "max_new_tokens") for row in rows[:, longest:].tolist()]

    def _tell_row(self, one: _Asked, drawn: _Drawn, duration_s: float, together: int) -> None:
        said: list[tuple[str, str]] = []
        stream = self._chatter.stream(lambda text, thinking, _: said.append((text, thinking)))
        for ids in (one.ids, drawn.ids):
            stream.put(torch.tensor(ids))
        stream.end()
        reply = Reply(drawn.end, len(one.ids), len(drawn.ids), duration_s, None)
        self._tell(one.index, one.chat, reply, said, together)

    def _tell(self, index: int, chat: Chat, reply: Reply, said: list[tuple[str, str]], together: int = 1) -> None:
        self._tell_reader(
            PromptAnswered(
                command_id=chat.id,
                index=index,
                text="".join(text for text, _ in said),
                thinking="".join(thinking for _, thinking in said),
                end=reply.end,
                prompt_tokens=reply.prompt_tokens,
                new_tokens=reply.new_tokens,
                duration_s=reply.duration_s,
                together=together,
                reason=reply.reason,
            )
        )

    def _halt(self, chat: Chat) -> Callable[[], bool]:
        if self._trains:
            return lambda: self._controls.stop is not None
        return lambda: self._controls.is_reply_ended(chat.id)


def batches(asked: list[_Asked], new_tokens: int) -> Iterator[list[_Asked]]:
    """Prompts of like lengths together, as many as `rows_together` allows."""
    batch: list[_Asked] = []
    for one in sorted(asked, key=lambda one: len(one.ids)):
        if len(batch) + 1 > rows_together(len(asked), len(one.ids) + new_tokens):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _until_end(ids: list[int], ends: set[int], otherwise: ReplyEnd) -> _Drawn:
    """The tokens up to the first that ends the turn, and that one; what follows fills the row up."""
    for at, token in enumerate(ids):
        if token in ends:
            return _Drawn(ids[: at + 1], "end_of_turn")
    return _Drawn(ids, otherwise)
