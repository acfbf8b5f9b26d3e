"""Replies of a GGUF file: the same events as a model of transformers gives, by whatever llama.cpp draws."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from cockpit.engine.chat.gguf_replies import GgufAnswers
from cockpit.engine.controls import Controls
from cockpit.engine.errors import RunFailure
from cockpit.engine.journal import Journal
from cockpit.engine.model.gguf_model import GgufModel
from cockpit.protocol import events as ev
from cockpit.protocol.commands import AnswerPrompts, Chat, ChatBoth
from cockpit.protocol.event_log import EventReader
from cockpit.runs.folder import RunDir

END = 256


class Bytes:
    """A model whose tokens are bytes, which says the same to everything: an end, then on and on."""

    template, context_tokens = "{{ messages }}", 64
    all_special_tokens = ("<end>",)

    def __init__(self, says: bytes) -> None:
        self.says = [*says, END]
        self.sampling: dict[str, Any] = {}

    def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
        return b"".join(b"<end>" if one == END else bytes([one]) for one in ids).decode("utf-8", "replace")

    def prompt_ids(self, messages: list[dict[str, str]], **variables: Any) -> list[int]:
        return list(messages[-1]["content"].encode())

    def ends(self, token: int) -> bool:
        return token == END

    def draw(self, ids: list[int], **sampling: Any) -> Iterator[int]:
        self.sampling = sampling
        yield from self.says
        raise AssertionError("nobody wants what follows an end")


def answered(folder: Path, model: Bytes, asked: Any, controls: Controls | None = None) -> list[ev.AnyEvent]:
    folder.mkdir(exist_ok=True)
    run = RunDir.create(folder / "run")
    GgufAnswers(cast("GgufModel", model), Journal(run), controls or Controls()).answer(asked)
    return EventReader(run.chat).poll()


def chat(prompt: str = "Hi", **settings: Any) -> Chat:
    return Chat(id="c", messages=[{"role": "user", "content": prompt}], **settings)


def ended(events: list[ev.AnyEvent]) -> tuple[str, ev.ReplyEnded]:
    (end,) = [event for event in events if isinstance(event, ev.ReplyEnded)]
    return "".join(event.text for event in events if isinstance(event, ev.ReplyGrew)), end


def test_a_reply_ends_itself_and_its_characters_are_whole(tmp_path: Path) -> None:
    model = Bytes("Grüße 👋!".encode())
    events = answered(tmp_path, model, chat(do_sample=False))
    text, end = ended(events)
    assert (text, end.end, end.prompt_tokens, end.new_tokens) == ("Grüße 👋!", "end_of_turn", 2, 14)
    assert model.sampling == {"seed": None, "temp": 0.0}
    assert not any("�" in event.text for event in events if isinstance(event, ev.ReplyGrew))


def test_reasoning_is_told_apart_and_a_reply_may_be_cut(tmp_path: Path) -> None:
    text, end = ended(answered(tmp_path / "cut", Bytes(b"Hello"), chat(max_new_tokens=3, temperature=0.5, seed=7)))
    assert (text, end.end) == ("Hel", "max_new_tokens")
    events = answered(tmp_path / "thought", Bytes(b"<think>Hm.</think>Yes"), chat())
    assert "".join(event.thinking for event in events if isinstance(event, ev.ReplyGrew)) == "Hm."
    assert ended(events)[0] == "Yes"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (chat(adapter=False), "A GGUF file is a whole model: there is no base to ask."),
        (chat("x" * 99), "The prompt has 99 tokens, and the model is prepared for 64; ask something shorter."),
        (Chat(id="c", messages=[{"role": "user", "content": "", "image": "a.png"}]), "This model takes no images."),
    ],
)
def test_what_cannot_be_asked(tmp_path: Path, asked: Chat, why: str) -> None:
    _, end = ended(answered(tmp_path, Bytes(b"a"), asked))
    assert (end.end, end.reason) == ("failed", why)


def test_many_prompts_and_both(tmp_path: Path) -> None:
    talks = [[{"role": "user", "content": text}] for text in ("a", "b")]
    told = answered(tmp_path, Bytes(b"Yes"), AnswerPrompts(id="a", conversations=talks))
    assert [(one.index, one.text) for one in told if isinstance(one, ev.PromptAnswered)] == [(0, "Yes"), (1, "Yes")]
    both = ChatBoth(id="b", chats=[chat(adapter=False), chat()])
    ends = [one.end for one in answered(tmp_path / "both", Bytes(b"Yes"), both) if isinstance(one, ev.ReplyEnded)]
    assert ends == ["failed", "end_of_turn"]


def test_a_stop_ends_it(tmp_path: Path) -> None:
    controls = Controls()
    controls.end_reply("c")
    assert ended(answered(tmp_path, Bytes(b"Yes"), chat(), controls))[1].end == "stopped"


def test_without_llama_cpp_python_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(RunFailure, match="A GGUF file needs llama-cpp-python") as failure:
        GgufModel(tmp_path / "a.gguf")
    assert "pip install llama-cpp-python" in failure.value.advice
