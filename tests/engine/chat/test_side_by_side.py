"""Replies that are drawn at the same time are, token by token, those that each would be alone."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from cockpit.engine.chat import side_by_side
from cockpit.engine.chat.replies import Chatter
from cockpit.engine.chat.reply_stream import ReplyStream
from cockpit.engine.chat.side_by_side import SideBySide
from cockpit.engine.controls import Controls
from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded
from cockpit.protocol import events as ev
from cockpit.protocol.commands import Chat, ChatBoth
from cockpit.protocol.event_log import EventReader
from tests.engine.chat.answering import new_run

TOKENS = 24


@pytest.fixture(scope="module")
def loaded(model: Path) -> Loaded:
    """The tiny model, and an adapter that says other things."""
    base = AutoModelForCausalLM.from_pretrained(model).eval()
    torch.manual_seed(1)
    for weight in base.model.layers.parameters():
        weight.data += torch.randn_like(weight) / 2
    base.generation_config.eos_token_id = None
    adapted = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    tokenizer = AutoTokenizer.from_pretrained(model)
    return Loaded(adapted.eval(), tokenizer, 120, "transformers")


class Watched(Chatter):
    """Notes the tokens of each reply and the order in which they came, by the thread that drew them."""

    def __init__(self, loaded: Loaded, folder: Path, controls: Controls | None = None) -> None:
        self.run = new_run(folder)
        self.controls = controls or Controls()
        super().__init__(loaded, ChatTemplate(loaded.tokenizer), Journal(self.run), self.controls)
        self.order: list[str] = []
        self.drawn: dict[str, list[int]] = {}

    def stream(self, tell: Any) -> ReplyStream:
        """One that notes what passes."""
        stream, name = super().stream(tell), threading.current_thread().name
        put, passed = stream.put, self.drawn.setdefault(name, [])

        def note(value: torch.Tensor) -> None:
            passed.extend(value.flatten().tolist())
            self.order.append(name)
            put(value)

        stream.put = note  # type: ignore[method-assign]
        return stream

    def told(self) -> dict[str, tuple[str, ev.ReplyEnded]]:
        """The words of each reply, and how it ended."""
        events = EventReader(self.run.chat).poll()
        words: dict[str, str] = {}
        for event in events:
            if isinstance(event, ev.ReplyGrew):
                words[event.command_id] = words.get(event.command_id, "") + event.text
        return {
            one.command_id: (words.get(one.command_id, ""), one) for one in events if isinstance(one, ev.ReplyEnded)
        }


def chats(**settings: Any) -> list[Chat]:
    asked = [{"role": "user", "content": "what is the name of a colour"}]
    return [
        Chat(id=name, messages=asked, adapter=name == "tuned", max_new_tokens=TOKENS, **settings)
        for name in ("tuned", "base")
    ]


def alone(loaded: Loaded, folder: Path, chat: Chat) -> tuple[list[int], str]:
    """The tokens and words of a reply by itself."""
    chatter = Watched(loaded, folder)
    chatter.answer(chat)
    (tokens,) = chatter.drawn.values()
    return tokens, chatter.told()[chat.id][0]


@pytest.mark.parametrize(
    "settings",
    [{"do_sample": False}, {"do_sample": True, "seed": 7, "temperature": 3.0, "top_k": 0, "top_p": 1.0, "min_p": 0.01}],
    ids=["greedy", "drawn"],
)
def test_each_is_the_reply_that_it_would_be_alone(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    monkeypatch.setattr(side_by_side, "STRETCH_S", 0.0)
    expected = {chat.id: alone(loaded, tmp_path / chat.id, chat) for chat in chats(**settings)}
    assert expected["tuned"] != expected["base"]
    both = Watched(loaded, tmp_path)
    before, begun = loaded.model.generation_config, time.monotonic()
    SideBySide(both, both.controls).answer(ChatBoth(id="c", chats=chats(**settings)))
    took = [ended.duration_s for _, ended in both.told().values()]
    assert sum(took) <= time.monotonic() - begun, "while the other one is drawn its time stands still"
    assert {name: (both.drawn[name], words) for name, (words, _) in both.told().items()} == expected
    turns = [name for at, name in enumerate(both.order) if at == 0 or both.order[at - 1] != name]
    assert len(turns) > TOKENS, "they are drawn in turn"
    assert loaded.model.generation_config is before
    assert (
        alone(loaded, tmp_path / "after", chats(do_sample=False)[0])[1]
        == alone(loaded, tmp_path / "again", chats(do_sample=False)[0])[1]
    )


def test_without_a_seed_both_have_the_same(loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "STRETCH_S", 0.0)
    both = Watched(loaded, tmp_path)
    drawn: dict[str, Any] = {"temperature": 5.0, "top_k": 0, "max_new_tokens": TOKENS}
    same = [Chat(id=name, messages=chats()[0].messages, **drawn) for name in "ab"]
    SideBySide(both, both.controls).answer(ChatBoth(id="c", chats=same))
    assert both.drawn["a"] == both.drawn["b"]


def test_a_stop_ends_one_or_both(loaded: Loaded, tmp_path: Path) -> None:
    for number, (stopped, ends) in enumerate(
        {"tuned": ["stopped", "max_new_tokens"], "c": ["stopped", "stopped"]}.items()
    ):
        controls = Controls()
        controls.end_reply(stopped)
        both = Watched(loaded, tmp_path / str(number), controls)
        SideBySide(both, controls).answer(ChatBoth(id="c", chats=chats(do_sample=False)))
        told = both.told()
        assert [told["tuned"][1].end, told["base"][1].end] == ends


def test_what_fails_in_one_leaves_the_other(loaded: Loaded, tmp_path: Path) -> None:
    both = Watched(loaded, tmp_path)
    base = chats(do_sample=False)[1]
    long = Chat(id="tuned", messages=[{"role": "user", "content": "dog " * 200}], do_sample=False)
    SideBySide(both, both.controls).answer(ChatBoth(id="c", chats=[long, base]))
    told = both.told()
    assert told["tuned"][1].reason.startswith("The prompt has ")
    assert told["base"][0] == alone(loaded, tmp_path / "alone", base)[1]
