"""Where a reply ends: with what closes a conversation, not with what closes its reasoning."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import GenerationConfig

from cockpit.engine.chat.replies import Chatter
from cockpit.engine.compat.unsloth_templates import named_templates
from cockpit.engine.controls import Controls
from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.export.ollama import modelfile
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.folder import RunDir
from tests.engine import tiny


@pytest.mark.parametrize(
    ("name", "end", "goes_on"), [("gpt-oss", "<|return|>", "<|end|>"), ("chatml", "<|im_end|>", "")]
)
def test_what_ends_a_reply(tmp_path: Path, name: str, end: str, goes_on: str) -> None:
    tokenizer = tiny.make_tokenizer(named_templates()[name].text)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|start|>", "<|message|>", "<|end|>", "<|return|>"]})
    tokenizer.eos_token = end
    template = ChatTemplate(tokenizer)
    loaded = Loaded(SimpleNamespace(generation_config=GenerationConfig()), tokenizer, 128, "transformers")
    chatter = Chatter(loaded, template, Journal(RunDir.create(tmp_path / "run")), Controls())
    ends = tokenizer.convert_ids_to_tokens(chatter.end_ids(GenerationConfig()))
    assert ends == [end]
    text = modelfile(["x.gguf"], tokenizer, RecipeDocument.parse(tiny.recipe_text(tmp_path, tmp_path), "x").recipe())
    assert f'PARAMETER stop "{end}"' in text
    assert not goes_on or f'"{goes_on}"' not in text


def test_a_model_without_template_or_end_says_so_and_answers(tmp_path: Path, model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from cockpit.engine.chat.answers import Answers
    from cockpit.engine.chat.replies import Chatter
    from cockpit.engine.controls import Controls
    from cockpit.engine.journal import Journal
    from cockpit.engine.model.loading import Loaded
    from cockpit.protocol.commands import AnswerPrompts, Chat
    from cockpit.protocol.event_log import EventReader
    from cockpit.protocol.events import PromptAnswered, ReplyEnded
    from cockpit.runs.folder import RunDir
    from tests.engine import tiny

    tokenizer = tiny.make_tokenizer(template=None)
    tokenizer.eos_token = tokenizer.pad_token = None
    endless = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    endless.generation_config = GenerationConfig()
    run = RunDir.create(tmp_path / "run")
    journal, controls = Journal(run), Controls()
    loaded = Loaded(endless, tokenizer, 64, "transformers", adapted=False)
    answers = Answers(Chatter(loaded, None, journal, controls), journal, controls)
    assert answers.notes == [
        "The model has no chat template: a prompt is given to it as it stands, without roles.",
        "No token of this model ends a turn: each reply goes on up to max_new_tokens.",
    ]
    words = [[{"role": "user", "content": text}] for text in ("red", "blue cat dog")]
    answers.answer(Chat(id="a", messages=words[0], do_sample=False, max_new_tokens=5))
    answers.answer(AnswerPrompts(id="b", conversations=words, max_new_tokens=5))
    told = [one for one in EventReader(run.chat).poll() if isinstance(one, ReplyEnded | PromptAnswered)]
    assert [(one.end, one.new_tokens, one.reason) for one in told] == [("max_new_tokens", 5, "")] * 3
