"""Prompts that are answered several at once get, token by token, the replies that each would get alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from cockpit.engine.chat import batches
from cockpit.engine.chat.batches import PromptBatches
from cockpit.engine.chat.replies import Chatter, ReplyStream
from cockpit.engine.controls import Controls
from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded
from cockpit.protocol.commands import AnswerPrompts, Chat
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import LogWritten, PromptAnswered
from cockpit.runs.folder import RunDir

TOKENS = 12
PROMPTS = [
    "what is a dog",
    "red",
    "what is the name of a colour " * 2,
    "one two three",
    "blue cat " * 12,
    "yes no matey",
]


class Recorder(Chatter):
    """Keeps the tokens of each reply, by its prompt's."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
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


@pytest.fixture(scope="module")
def loaded(model: Path) -> Loaded:
    """The tiny model with weights so large that each reply is another, and an adapter that says other things."""
    base = AutoModelForCausalLM.from_pretrained(model).eval()
    torch.manual_seed(1)
    for weight in base.model.layers.parameters():
        weight.data += torch.randn_like(weight) / 2
    adapted = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    return Loaded(adapted.eval(), AutoTokenizer.from_pretrained(model), 120, "transformers")


def recorder(loaded: Loaded, run: RunDir) -> Recorder:
    return Recorder(loaded, ChatTemplate(loaded.tokenizer), Journal(run), Controls())


def talks(prompts: list[str]) -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": prompt}] for prompt in prompts]


def alone(chatter: Recorder, talk: list[dict[str, str]], adapter: bool) -> Any:
    """The reply by itself, and its words."""
    words: list[str] = []
    chat = Chat(id="1", messages=talk, adapter=adapter, do_sample=False, max_new_tokens=TOKENS)
    reply = chatter.reply(chat, lambda text, thinking, tokens: words.append(text), lambda: False)
    return reply, "".join(words)


@pytest.mark.parametrize("adapter", [True, False], ids=["tuned", "base"])
def test_each_reply_is_the_one_that_the_prompt_would_get_alone(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapter: bool
) -> None:
    monkeypatch.setattr(batches, "MOST_ROWS", 4)
    run = RunDir.create(tmp_path / "run")
    single, several = recorder(loaded, run), recorder(loaded, run)
    asked = talks([*PROMPTS, "red blue " * 47, "dog " * 200])
    for talk in asked:
        alone(single, talk, adapter)
    drawn = [token for ids in single.drawn.values() for token in set(ids[1:])]
    rarest = min(drawn, key=drawn.count)
    monkeypatch.setattr(loaded.model.generation_config, "eos_token_id", [rarest])  # some replies end early then
    single.drawn.clear()
    expected = [alone(single, talk, adapter) for talk in asked]
    command = AnswerPrompts(id="c", conversations=asked, adapter=adapter, max_new_tokens=TOKENS)
    PromptBatches(several, Journal(run), Controls()).answer(command)
    told = {one.index: one for one in EventReader(run.chat).poll() if isinstance(one, PromptAnswered)}
    assert several.drawn == single.drawn and len(single.drawn) == len(asked) - 1
    assert len({tuple(ids) for ids in single.drawn.values()}) == len(asked) - 1
    for index, (reply, words) in enumerate(expected):
        answer = told[index]
        assert (answer.text, answer.end, answer.reason) == (words, reply.end, reply.reason)
        assert (answer.new_tokens, answer.prompt_tokens) == (reply.new_tokens, reply.prompt_tokens)
    ends = {reply.end for reply, _ in expected}
    assert ends == {"end_of_turn", "max_new_tokens", "failed"}
    assert [told[index].together for index in range(len(asked))] == [4, 4, 2, 4, 2, 4, 1, 1]


def test_prompts_that_do_not_fit_together_are_halved(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDir.create(tmp_path / "run")
    chatter = recorder(loaded, run)
    generate = chatter.generate

    def scarce(chat: Chat, inputs: dict[str, torch.Tensor], *more: Any) -> Any:
        if len(inputs["input_ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(chat, inputs, *more)

    monkeypatch.setattr(chatter, "generate", scarce)
    command = AnswerPrompts(id="c", conversations=talks(PROMPTS), max_new_tokens=4)
    PromptBatches(chatter, Journal(run), Controls()).answer(command)
    told = [one for one in EventReader(run.chat).poll() if isinstance(one, PromptAnswered)]
    assert sorted(one.index for one in told) == list(range(6))
    assert {one.together for one in told} == {1, 2} and not any(one.reason for one in told)
    assert not [one for one in EventReader(run.events).poll() if isinstance(one, LogWritten)]


def test_a_stop_ends_all_replies_where_they_stand(loaded: Loaded, tmp_path: Path) -> None:
    run, controls = RunDir.create(tmp_path / "run"), Controls()
    controls.end_reply("c")
    command = AnswerPrompts(id="c", conversations=talks(PROMPTS[:3]), max_new_tokens=TOKENS)
    PromptBatches(recorder(loaded, run), Journal(run), controls).answer(command)
    told = [one for one in EventReader(run.chat).poll() if isinstance(one, PromptAnswered)]
    assert [(one.end, one.new_tokens) for one in told] == [("stopped", 1)] * 3
