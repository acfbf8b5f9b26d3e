"""Greedy is the likeliest token, whatever the base's own generation settings hold."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from cockpit.engine.chat.replies import Chatter
from cockpit.engine.controls import Controls
from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded, load_for_chat
from cockpit.protocol.commands import Chat
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import ReplyEnded, ReplyGrew
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.folder import RunDir
from tests.engine import tiny
from tests.engine.chat.answering import Recorder, new_run

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


def plain(model: Any, tokenizer: Any, text: str) -> list[int]:
    """What transformers alone says to the text."""
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
    drawn = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=TOKENS,
                           eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)  # fmt: skip
    found: list[int] = drawn[0, ids.shape[1] :].tolist()
    return found


def test_it_is_what_generate_says_to_what_training_renders(tmp_path: Path, rows: Path) -> None:
    base, adapter = tiny.make_model(tmp_path / "model"), tmp_path / "adapter"
    recipe = RecipeDocument.parse(tiny.recipe_text(base, rows, backend="transformers"), "recipe.yaml").recipe()
    tuned = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    torch.manual_seed(1)
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    tuned.save_pretrained(adapter)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.save_pretrained(adapter)
    models = {
        False: AutoModelForCausalLM.from_pretrained(base).eval(),
        True: PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(adapter)).eval(),
    }
    chatter = Recorder(load_for_chat(recipe, adapter, print), new_run(tmp_path))
    assert chatter.template is not None
    asked = {"role": "user", "content": "what is the name of red"}
    before = [{"role": "user", "content": "arr"}, {"role": "assistant", "content": "yes matey"}]
    talks = ([asked], [{"role": "system", "content": "no"}, asked], [*before, asked])
    said = {}
    for at, (talk, thinks, is_tuned) in enumerate(product(talks, (False, True), (False, True))):
        text = chatter.template.render(talk, add_generation_prompt=True, enable_thinking=thinks)
        chatter.drawn.clear()
        chat = Chat(id="1", messages=talk, adapter=is_tuned, do_sample=False, enable_thinking=thinks,
                    max_new_tokens=TOKENS)  # fmt: skip
        chatter.reply(chat, lambda text, thinking, drawn: None, lambda: False)
        (said[at],) = chatter.drawn.values()
        assert said[at] == plain(models[is_tuned], tokenizer, text)
    assert len({tuple(tokens) for tokens in said.values()}) > 3, "they are not all the same"


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
