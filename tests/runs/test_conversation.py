"""What goes along with a prompt: the system's words, and answers with their reasoning apart."""

from __future__ import annotations

from cockpit.protocol import events as ev
from cockpit.runs.conversation import Conversation
from cockpit.runs.state import RunState


def test_history_carries_the_answer_and_the_reasoning_apart() -> None:
    state, talk = RunState(), Conversation()
    talk.ask("What is 2 plus 3?", {True: "1"})
    state.apply(ev.ReplyStarted(command_id="1", prompt="What is 2 plus 3?", adapter=True))
    state.apply(ev.ReplyGrew(command_id="1", text="", thinking="I count."))
    state.apply(ev.ReplyGrew(command_id="1", text="Five."))
    assert (state.replies["1"].thinking, state.replies["1"].text) == ("I count.", "Five.")
    assert talk.messages_for("And 1?", state.replies, system="Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is 2 plus 3?"},
        {"role": "assistant", "content": "Five.", "reasoning_content": "I count."},
        {"role": "user", "content": "And 1?"},
    ]


def test_a_reply_that_only_reasoned_is_left_out() -> None:
    state, talk = RunState(), Conversation()
    talk.ask("What?", {True: "1"})
    state.apply(ev.ReplyStarted(command_id="1", prompt="What?", adapter=True))
    state.apply(ev.ReplyGrew(command_id="1", text="", thinking="Hm"))
    assert talk.messages_for("Well?", state.replies) == [{"role": "user", "content": "Well?"}]
