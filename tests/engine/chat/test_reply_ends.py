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
