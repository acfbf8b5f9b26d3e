"""The Modelfile that Ollama needs beside a GGUF file: the chat template in Go's words, what ends a reply, sampling"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.data.message import Message
from cockpit.recipe.recipe import Recipe

_SYSTEM, _QUESTION, _ANSWER, _NEXT = "System7319", "Question7319 one", "Answer7319 one", "Question7319 two"


def modelfile(files: Sequence[str], tokenizer: Any, recipe: Recipe, ends: Sequence[str] = ()) -> str:
    """The Modelfile for the GGUF `files`: the model, and what reads images for it. Its replies end with one of `ends`,
    the tokenizer's end or the template's."""
    preset = recipe.chat.presets[0]
    lines = [f"FROM ./{file}" for file in files]
    stops = [*ends, *([tokenizer.eos_token] if tokenizer.eos_token else [])]
    if tokenizer.chat_template:
        template = ChatTemplate(tokenizer)
        turns = Turns.of(template, tokenizer, preset.enable_thinking)
        lines.append(f'TEMPLATE """{turns.in_go()}"""')
        stops = [mark for mark in (template.markers.reply_end,) if mark] + stops
    lines += [f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in dict.fromkeys(stops)]
    lines.append(f"PARAMETER num_ctx {recipe.model.max_seq_length}")
    if preset.do_sample:
        lines += [f"PARAMETER {name} {getattr(preset, name)}" for name in ("temperature", "top_p", "top_k")]
    else:
        lines.append("PARAMETER temperature 0")
    return "\n".join(lines) + "\n"


def difference(tokenizer: Any, recipe: Recipe) -> str:
    """Which conversations Ollama renders otherwise than the chat template, in a sentence; empty where none."""
    if not tokenizer.chat_template:
        return ""
    template, thinking = ChatTemplate(tokenizer), recipe.chat.presets[0].enable_thinking
    turns = Turns.of(template, tokenizer, thinking)
    for messages in conversations():
        try:
            expected = _prompt(template, tokenizer, messages, thinking)
        except Exception:
            continue  # conversations that the template refuses were not trained either
        if turns.render(messages) != expected:
            asked = sum(message["role"] == "user" for message in messages)
            system = "a system turn and " if messages[0]["role"] == "system" else ""
            return (
                f"Ollama renders conversations of {system}{asked} question{'s' * (asked > 1)} otherwise than the "
                "model's chat template does: it writes turn by turn, and the template looks back."
            )
    return ""


@dataclass(frozen=True)
class Turns:
    """What a chat template writes around the words of each turn. `first` stands before a question that nothing goes
    before, with the template's default system turn where it has one; `system` is None where it takes no system turn;
    `prompt` follows the last question."""

    first: str
    system: str | None
    system_to_question: str
    question_to_answer: str
    answer_to_question: str
    prompt: str

    @classmethod
    def of(cls, template: ChatTemplate, tokenizer: Any, enable_thinking: bool) -> Turns:
        """Read off what the template makes of a conversation; <bos>, which Ollama adds itself, is left out."""
        turns = [_turn("user", _QUESTION), _turn("assistant", _ANSWER), _turn("user", _NEXT)]
        first, _, rest = _prompt(template, tokenizer, turns, enable_thinking).partition(_QUESTION)
        to_answer, _, rest = rest.partition(_ANSWER)
        to_question, _, prompt = rest.partition(_NEXT)
        try:
            told = _prompt(template, tokenizer, [_turn("system", _SYSTEM), turns[0]], enable_thinking)
        except Exception:
            told = ""  # this template takes no system turn
        before, found, after = told.partition(_SYSTEM)
        return cls(first, before if found else None, after.partition(_QUESTION)[0], to_answer, to_question, prompt)

    def render(self, messages: Sequence[Message]) -> str:
        """What `in_go` makes of the messages, which begin with a system turn or a question and take turns."""
        text, previous = "", ""
        for message in messages:
            role = message["role"]
            if role == "system" and self.system is None:
                continue
            openings = {
                ("", "system"): self.system,
                ("", "user"): self.first,
                ("system", "user"): self.system_to_question,
                ("user", "assistant"): self.question_to_answer,
                ("assistant", "user"): self.answer_to_question,
            }
            text += (openings.get((previous, role)) or "") + message["content"]
            previous = role
        return text + self.prompt

    def in_go(self) -> str:
        """The Go template that Ollama renders all messages with."""
        system = "" if self.system is None else f'{_go(self.system)}{{{{ .Content }}}}{{{{ $previous = "system" }}}}'
        answer = (
            f'{{{{ if eq $previous "user" }}}}{_go(self.question_to_answer)}{{{{ end }}}}'
            '{{ .Content }}{{ $previous = "assistant" }}'
        )
        question = (
            f'{{{{ if eq $previous "system" }}}}{_go(self.system_to_question)}'
            f'{{{{ else if eq $previous "assistant" }}}}{_go(self.answer_to_question)}'
            f'{{{{ else if eq $previous "" }}}}{_go(self.first)}{{{{ end }}}}'
            '{{ .Content }}{{ $previous = "user" }}'
        )
        return (
            '{{ $previous := "" }}{{ range .Messages }}'
            f'{{{{ if eq .Role "system" }}}}{system}{{{{ else if eq .Role "assistant" }}}}{answer}'
            f"{{{{ else }}}}{question}{{{{ end }}}}{{{{ end }}}}"
            f'{{{{ if ne $previous "assistant" }}}}{_go(self.prompt)}{{{{ end }}}}'
        )


def conversations() -> list[list[Message]]:
    """One to three questions and the answers between them, without a system turn and with one."""
    turns: list[Message] = []
    made = []
    for number in range(1, 4):
        turns = [*turns, _turn("user", f"Question {number}?")]
        made += [turns, [_turn("system", "Be brief."), *turns]]
        turns = [*turns, _turn("assistant", f"Answer {number}.")]
    return made


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _prompt(template: ChatTemplate, tokenizer: Any, messages: list[Message], enable_thinking: bool) -> str:
    text = template.prompt(messages, enable_thinking)
    return text.removeprefix(tokenizer.bos_token) if tokenizer.bos_token else text


def _go(text: str) -> str:
    """Plain text inside a Go template inside a Modelfile's triple quotes."""
    return text.replace("{{", '{{ "{{" }}').replace('"""', '{{ "\\"\\"\\"" }}')
