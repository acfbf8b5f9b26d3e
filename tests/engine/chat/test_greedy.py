"""Greedy is the likeliest token, whatever the base's own generation settings hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cockpit.engine.chat.replies import Chatter
from cockpit.engine.controls import Controls
from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded
from cockpit.protocol.commands import Chat
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import ReplyEnded, ReplyGrew
from cockpit.runs.folder import RunDir
from tests.engine import tiny

TOKENS = 12


def likeliest(model: Any, tokenizer: Any, prompt: str) -> str:
    """TOKENS times the token with the largest logit."""
    ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
    begun = ids.shape[1]
    for _ in range(TOKENS):
        with torch.inference_mode():
            newest = model(input_ids=ids).logits[0, -1].argmax()
        if newest == tokenizer.eos_token_id:
            break
        ids = torch.cat([ids, newest.view(1, 1)], dim=1)
    return str(tokenizer.decode(ids[0, begun:], skip_special_tokens=True))


@pytest.mark.parametrize("with_adapter", [False, True])
def test_greedy_takes_no_notice_of_the_bases_settings(tmp_path: Path, with_adapter: bool) -> None:
    folder = tiny.make_model(tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    template = ChatTemplate(tokenizer)
    messages = [{"role": "user", "content": "what is the name of red"}]
    expected = likeliest(model, tokenizer, template.prompt(list(messages), False))
    first = tokenizer(expected, add_special_tokens=False).input_ids[0]
    own = model.generation_config
    own.repetition_penalty, own.suppress_tokens, own.num_beams, own.no_repeat_ngram_size = 9.0, [first], 3, 1
    if with_adapter:
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj"]))
    run = RunDir.create(tmp_path / "run")
    loaded = Loaded(model, tokenizer, 128, "transformers", adapted=with_adapter)
    chatter = Chatter(loaded, template, Journal(run), Controls())
    chatter.answer(Chat(id="1", messages=messages, do_sample=False, max_new_tokens=TOKENS))
    told = EventReader(run.chat).poll()
    (ended,) = [event for event in told if isinstance(event, ReplyEnded)]
    assert ended.reason == ""
    assert "".join(event.text for event in told if isinstance(event, ReplyGrew)) == expected
    drawn = [event.tokens for event in told if isinstance(event, ReplyGrew)]
    assert drawn == sorted(drawn) and drawn[0] > 0 and drawn[-1] == ended.new_tokens, "what is drawn is counted live"
    assert model.generation_config.repetition_penalty == 9.0
