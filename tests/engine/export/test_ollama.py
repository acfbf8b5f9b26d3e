"""The Modelfile renders conversations of several turns as the trained chat template does, or the log says that not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cockpit.engine.compat.unsloth_templates import named_templates
from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.export.ollama import conversations, difference, modelfile
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from tests.engine import tiny
from tests.engine.export import go_template


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return RecipeDocument.parse(tiny.recipe_text(tmp_path, tmp_path), "x").recipe()


SAME = ("chatml", "llama-3.1", "qwen-2.5", "qwen-3", "gemma-3", "gemma", "llama-3", "phi-3", "phi-4", "zephyr")


@pytest.mark.parametrize("name", ["", *SAME])
@pytest.mark.parametrize("bos", [None, "<bos>"])
def test_all_turns_are_rendered_as_they_were_trained(recipe: Recipe, name: str, bos: str | None) -> None:
    tokenizer = tiny.make_tokenizer(named_templates()[name].text if name else tiny.CHATML, bos)
    text = modelfile(["x.gguf"], tokenizer, recipe)
    assert difference(tokenizer, recipe) == ""
    found = re.search(r'TEMPLATE """(.*)"""\n', text, re.DOTALL)
    assert found
    template, compared = ChatTemplate(tokenizer), 0
    for messages in conversations():
        try:
            expected = template.prompt(messages, recipe.chat.presets[0].enable_thinking)
        except Exception:
            continue  # a template that takes no system turn
        written = go_template.render(found[1], messages)
        assert written == (expected.removeprefix(bos) if bos else expected)
        compared += 1
    assert compared >= 3


def test_a_template_that_looks_back_is_told(recipe: Recipe) -> None:
    looks_back = "{{ messages | length }} " + tiny.CHATML
    assert difference(tiny.make_tokenizer(looks_back), recipe) == (
        "Ollama renders conversations of 1 question otherwise than the model's chat template does: it writes turn by "
        "turn, and the template looks back."
    )


def test_braces_and_quotes_of_a_template_stay_text(recipe: Recipe) -> None:
    odd = tiny.CHATML.replace("<|im_start|>", '{{ \'{{a}}"""\' }}')
    tokenizer = tiny.make_tokenizer(odd)
    text = modelfile(["x.gguf"], tokenizer, recipe)
    found = re.search(r'TEMPLATE """(.*?)"""\n', text, re.DOTALL)
    assert found
    messages = conversations()[3]
    assert go_template.render(found[1], messages) == ChatTemplate(tokenizer).prompt(messages, False)


def test_the_files_the_ends_and_the_sampling_stand_in_it(recipe: Recipe) -> None:
    text = modelfile(["x.gguf", "mmproj-x-f16.gguf"], tiny.make_tokenizer(), recipe, ["<|endoftext|>"])
    lines = [line for line in text.splitlines() if line.startswith(("FROM", "PARAMETER"))]
    assert lines == [
        "FROM ./x.gguf",
        "FROM ./mmproj-x-f16.gguf",
        'PARAMETER stop "<|im_end|>"',
        'PARAMETER stop "<|endoftext|>"',
        "PARAMETER num_ctx 128",
        "PARAMETER temperature 0.7",
        "PARAMETER top_p 0.8",
        "PARAMETER top_k 20",
    ]
