"""A prompt about a picture: what the model is given, what it answers, and what cannot be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cockpit.engine.chat.inputs import chat_inputs
from cockpit.engine.chat.replies import Chatter
from cockpit.engine.controls import Controls
from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded
from cockpit.protocol import events as ev
from cockpit.protocol.commands import Chat
from cockpit.protocol.event_log import EventReader
from cockpit.runs.folder import RunDir
from tests.engine import tiny_vision
from tests.engine.chat.answering import Recorder, alone, new_run, together

WORDS = "write the latex"


@pytest.fixture(scope="module")
def vision(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = tiny_vision.make_model(tmp_path_factory.mktemp("model"))
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    return Loaded(model, processor.tokenizer, 512, "transformers", processor, adapted=True)


def about(*pictures: Path | None, **settings: Any) -> Chat:
    """A conversation whose turns are about pictures, or about none."""
    turns: list[dict[str, str]] = []
    for picture in pictures:
        if turns:
            turns.append({"role": "assistant", "content": "x"})
        turns.append({"role": "user", "content": WORDS} | ({"image": str(picture)} if picture else {}))
    return Chat(id="c1", messages=turns, **settings)


def replies(loaded: Loaded, chat: Chat, folder: Path, *, templated: bool = True) -> list[ev.AnyEvent]:
    run = RunDir.create(folder)
    template = ChatTemplate(loaded.tokenizer) if templated else None
    Chatter(loaded, template, Journal(run), Controls()).answer(chat)
    return EventReader(run.chat).poll()


def test_the_picture_stands_behind_its_words_as_in_training(vision: Loaded, tmp_path: Path) -> None:
    pictures = [tiny_vision.draw(tmp_path / f"{n}.png", n * 7) for n in range(2)]
    template = ChatTemplate(vision.tokenizer)
    inputs = chat_inputs(vision, template, about(pictures[0], None, pictures[1]))
    text = vision.tokenizer.decode(inputs["input_ids"][0])
    seen = "<start_of_image>" + "<image_soft_token>" * tiny_vision.IMAGE_TOKENS + "<end_of_image>"
    turns = [turn.split("<end_of_turn>")[0] for turn in text.split("<start_of_turn>user\n")[1:]]
    assert [WORDS in turn and turn.rstrip().endswith(seen) for turn in turns] == [True, False, True]
    assert inputs["pixel_values"].shape == (2, 3, tiny_vision.SIDE, tiny_vision.SIDE)
    assert not inputs["pixel_values"][0].equal(inputs["pixel_values"][1])
    assert inputs["attention_mask"].shape == inputs["input_ids"].shape


def test_a_reply_about_a_picture(vision: Loaded, tmp_path: Path) -> None:
    asked = about(tiny_vision.draw(tmp_path / "formula.png"), max_new_tokens=4, do_sample=False)
    told = replies(vision, asked, tmp_path / "run")
    assert [event.prompt for event in told if isinstance(event, ev.ReplyStarted)] == [f"{WORDS} (image formula.png)"]
    ended = next(event for event in told if isinstance(event, ev.ReplyEnded))
    assert (ended.reason, 1 <= ended.new_tokens <= 4) == ("", True)
    assert ended.prompt_tokens > tiny_vision.IMAGE_TOKENS


def test_pictures_that_cannot_be_asked_about(vision: Loaded, tmp_path: Path) -> None:
    text = tmp_path / "a.png"
    text.write_text("no picture")
    blind = Loaded(vision.model, vision.tokenizer, 512, "transformers", None, adapted=True)
    cases = [
        (vision, tmp_path / "gone.png", "The prompt cannot be asked: its image gone.png is not there."),
        (vision, text, "The prompt cannot be asked: its image a.png is no image."),
        (blind, tiny_vision.draw(tmp_path / "b.png"), "This model takes no images."),
    ]
    for number, (loaded, picture, why) in enumerate(cases):
        ended = replies(loaded, about(picture), tmp_path / f"run-{number}")[-1]
        assert isinstance(ended, ev.ReplyEnded)
        assert (ended.end, ended.reason) == ("failed", why)


def test_prompts_with_pictures_are_answered_alone(vision: Loaded, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    picture = {"image": str(tiny_vision.draw(tmp_path / "a.png", 7))}
    asked = [[{"role": "user", "content": WORDS, **more}] for more in ({}, picture, {})]
    chatter = Recorder(vision, run)
    answers = together(chatter, run, asked, 4)
    assert [(one.index, one.together, one.reason) for one in answers] == [(0, 2, ""), (1, 1, ""), (2, 2, "")]
    assert [one.text for one in answers] == [alone(chatter, talk, 4)[1] for talk in asked]
    assert answers[1].prompt_tokens > answers[0].prompt_tokens
