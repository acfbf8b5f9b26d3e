"""Prompts that are answered several at once get, token by token, the replies that each would get alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from cockpit.engine.controls import Controls
from cockpit.engine.model.loading import Loaded
from cockpit.protocol.commands import Chat
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import LogWritten
from tests.engine.chat.answering import Recorder, alone, new_run, talks, together

TOKENS = 12
PROMPTS = [
    "what is a dog",
    "red",
    "what is the name of a colour " * 2,
    "one two three",
    "blue cat " * 12,
    "yes no matey",
]


@pytest.fixture(scope="module")
def loaded(model: Path) -> Loaded:
    """The tiny model with weights so large that each reply is another, and an adapter that says other things."""
    base = AutoModelForCausalLM.from_pretrained(model).eval()
    torch.manual_seed(1)
    for weight in base.model.layers.parameters():
        weight.data += torch.randn_like(weight) / 2
    adapted = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    return Loaded(adapted.eval(), AutoTokenizer.from_pretrained(model), 120, "transformers")


@pytest.mark.parametrize("adapter", [True, False], ids=["tuned", "base"])
def test_each_reply_is_the_one_that_the_prompt_would_get_alone(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapter: bool
) -> None:
    monkeypatch.setattr("cockpit.suites.together.MOST_ROWS", 4)
    run = new_run(tmp_path)
    single, several = Recorder(loaded, run), Recorder(loaded, run)
    asked = talks([*PROMPTS, "red blue " * 47, "dog " * 200])
    for talk in asked:
        alone(single, talk, TOKENS, adapter=adapter)
    drawn = [token for ids in single.drawn.values() for token in set(ids[1:])]
    rarest = min(drawn, key=drawn.count)
    monkeypatch.setattr(loaded.model.generation_config, "eos_token_id", [rarest])  # some replies end early then
    single.drawn.clear()
    expected = [alone(single, talk, TOKENS, adapter=adapter) for talk in asked]
    told = together(several, run, asked, TOKENS, adapter=adapter)
    assert several.drawn == single.drawn and len(single.drawn) == len(asked) - 1
    assert len({tuple(ids) for ids in single.drawn.values()}) == len(asked) - 1
    for (reply, words), answer in zip(expected, told, strict=True):
        assert (answer.text, answer.end, answer.reason) == (words, reply.end, reply.reason)
        assert (answer.new_tokens, answer.prompt_tokens) == (reply.new_tokens, reply.prompt_tokens)
    assert {reply.end for reply, _ in expected} == {"end_of_turn", "max_new_tokens", "failed"}
    assert [one.together for one in told] == [4, 4, 2, 4, 2, 4, 1, 1]


def test_prompts_that_do_not_fit_together_are_halved(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(tmp_path)
    chatter = Recorder(loaded, run)
    generate = chatter.generate

    def scarce(chat: Chat, inputs: dict[str, torch.Tensor], *more: Any) -> Any:
        if len(inputs["input_ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(chat, inputs, *more)

    monkeypatch.setattr(chatter, "generate", scarce)
    told = together(chatter, run, talks(PROMPTS), 4)
    assert [one.index for one in told] == list(range(6))
    assert {one.together for one in told} == {1, 2} and not any(one.reason for one in told)
    assert not [one for one in EventReader(run.events).poll() if isinstance(one, LogWritten)]


def test_a_stop_ends_all_replies_where_they_stand(loaded: Loaded, tmp_path: Path) -> None:
    run, controls = new_run(tmp_path), Controls()
    controls.end_reply("c")
    told = together(Recorder(loaded, run), run, talks(PROMPTS[:3]), TOKENS, controls=controls)
    assert [(one.end, one.new_tokens) for one in told] == [("stopped", 1)] * 3
