"""Questions that are put while a run trains: answered between two steps, without any trace in what is trained."""

from __future__ import annotations

from collections.abc import Callable

from cockpit.protocol.commands import Chat, Pause, Unpause
from cockpit.protocol.events import LogWritten, ReplyEnded
from cockpit.runs.link import new_command_id
from tests.engine.conftest import HostedRun

Hosted = Callable[..., HostedRun]
BARE = {"training__max_steps": 12, "lora__lora_dropout": 0.2, "data__eval_rows": 0, "output__save_steps": 6}
PROMPT = "what is the name of red 3"


def test_a_question_leaves_no_trace_in_what_is_trained(hosted: Hosted) -> None:
    alone = hosted(**BARE)
    alone.until_ended()
    run = hosted(**BARE)
    run.until(lambda: run.state.step >= 1)
    run.send(Pause(id=new_command_id()))
    run.until(lambda: run.state.is_paused)
    _, ended = run.ask(PROMPT, temperature=5.0, top_k=0, max_new_tokens=6)
    assert ended.end in ("max_new_tokens", "end_of_turn")
    both = run.ask_both(PROMPT, do_sample=False, max_new_tokens=6)
    assert run.ask(PROMPT, do_sample=False, max_new_tokens=6)[0] == both[True]
    assert run.ask(PROMPT, do_sample=False, max_new_tokens=6, adapter=False)[0] == both[False]
    assert run.state.is_paused or run.state.phase is not None
    assert all(reply.made_wait for reply in run.state.replies.values()) and run.state.made_wait_s > 0
    told = [event.text for event in run.all(LogWritten) if event.text.startswith("A question was answered after step")]
    assert len(told) == 4 and " in all." in told[-1]
    run.send(Unpause(id=new_command_id()))
    run.until_ended()
    assert run.state.steps.metrics == alone.state.steps.metrics
    saved = [one.run.adapter / "adapter_model.safetensors" for one in (alone, run)]
    assert saved[0].read_bytes() == saved[1].read_bytes()


def test_a_question_that_came_too_late_is_answered_once_it_is_trained(hosted: Hosted) -> None:
    run = hosted(**BARE)
    run.until(lambda: run.state.is_stepping)
    asked = [
        Chat(id=new_command_id(), messages=[{"role": "user", "content": PROMPT}], max_new_tokens=4) for _ in range(3)
    ]
    for chat in asked:
        run.link.send(chat)
    run.until_phase("ready")
    run.until(lambda: len(run.all(ReplyEnded)) == 3)
    assert {event.command_id for event in run.all(ReplyEnded)} == {chat.id for chat in asked}
    assert not any(answer.text for answer in run.state.answers.values())
