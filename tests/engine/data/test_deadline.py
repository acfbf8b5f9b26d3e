"""Templates that loop: they end with a sentence, and those that do not are rendered as fast as ever."""

import itertools
import threading
from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.data.deadline import DeadlinePassed, deadline

PLAIN = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}{{ '<assistant>' if add_generation_prompt }}"
)
NESTED = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


class Renderer:
    """As much of a tokenizer as renders."""

    def __init__(self, template: str) -> None:
        self._template = ImmutableSandboxedEnvironment().from_string(template)

    def apply_chat_template(self, messages: list[Any], *, tokenize: bool, **more: Any) -> str:
        return self._template.render(messages=messages, **more)


@pytest.fixture
def little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cockpit.engine.data.chat_template.RENDER_S", 0.25)


@pytest.mark.usefixtures("little_time")
def test_a_template_that_loops_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"cannot render a conversation: it has not ended within 0.25 s"):
        ChatTemplate(Renderer(NESTED + PLAIN))


@pytest.mark.usefixtures("little_time")
def test_a_template_that_loops_for_some_turns_refuses_those() -> None:
    loops = "{% if messages[0].content == 'loop' %}" + NESTED + "{% endif %}" + PLAIN
    template = ChatTemplate(Renderer(loops))
    with pytest.raises(DeadlinePassed):
        template.render([{"role": "user", "content": "loop"}])
    with pytest.raises(DeadlinePassed):
        template.prompt([{"role": "user", "content": "loop"}], enable_thinking=False)
    assert template.render([{"role": "user", "content": "go"}]) == "<user>go</s>"


def test_each_thread_has_its_own_deadline() -> None:
    passed = threading.Event()

    def loop() -> None:
        try:
            with deadline(0.01):
                for _ in itertools.count():
                    pass
        except DeadlinePassed:
            passed.set()

    thread = threading.Thread(target=loop)
    with deadline(60):
        thread.start()
        assert passed.wait(60)
    thread.join()
