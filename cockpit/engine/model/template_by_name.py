"""A tokenizer with one of Unsloth's chat templates, on either backend"""

from __future__ import annotations

from typing import Any

from cockpit.engine.compat.unsloth_templates import NamedTemplate, named_templates
from cockpit.engine.errors import RunFailure, first_line
from cockpit.text.plain_text import plain_line


def with_named_template(tokenizer: Any, name: str, backend: str) -> Any:
    """The tokenizer, or another one in its place, that renders with the template `name`. Raises RunFailure.

    The backend unsloth asks Unsloth, which may rename tokens of the vocabulary for the template's. The plain stack
    takes the template's text alone and leaves the vocabulary as it is: importing Unsloth would patch it.
    """
    if backend == "unsloth":
        return _by_unsloth(tokenizer, name)
    template = named_templates().get(name)
    if template is None:
        raise unknown_template(name)
    tokenizer.chat_template = _fitted(template, tokenizer)
    if template.takes_eos and _is_token(tokenizer, template.turn_end):
        tokenizer.eos_token = template.turn_end
    return tokenizer


def unknown_template(name: str) -> RunFailure:
    """There is no template of this name."""
    return RunFailure(
        f"Unsloth has no chat template called {plain_line(name)}.",
        "Set data.chat_template to model, chatml, gemma-3, llama-3.1, qwen-3 ...",
    )


def _by_unsloth(tokenizer: Any, name: str) -> Any:
    from unsloth import get_chat_template

    try:
        return get_chat_template(tokenizer, chat_template=name)
    except KeyError as error:
        raise unknown_template(name) from error
    except (ValueError, AssertionError, RuntimeError) as error:
        raise RunFailure(
            f"The chat template {name} does not fit this tokenizer: {first_line(error)}",
            "Set data.chat_template to model, or to that of the model's family.",
        ) from error


def _fitted(template: NamedTemplate, tokenizer: Any) -> str:
    """The template's text. A turn's end that is no token of this tokenizer is its end of text, as Unsloth has it."""
    text = template.text
    if template.takes_eos and tokenizer.eos_token and not _is_token(tokenizer, template.turn_end):
        text = text.replace(template.turn_end, tokenizer.eos_token)
    begins = text.startswith(("{{ bos_token }}", "{{- bos_token }}"))
    if type(tokenizer).__name__.startswith("Gemma") and tokenizer.bos_token and not begins:
        text = "{{ bos_token }}" + text
    return text


def _is_token(tokenizer: Any, token: str) -> bool:
    return token in tokenizer.get_vocab()
