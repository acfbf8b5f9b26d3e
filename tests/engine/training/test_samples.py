"""Prompts answered while a run trains: when, by which weights, and without any trace in what is trained."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cockpit.protocol.commands import Pause, Sample, SaveCheckpoint, Stop, Unpause
from cockpit.protocol.events import LogWritten, SampleAnswered
from cockpit.runs.link import new_command_id
from cockpit.runs.sentences import sentence
from tests.engine.conftest import HostedRun

Hosted = Callable[..., HostedRun]
PROMPTS = ["what is the name of red 3", "what is a dog"]
BARE = {"training__max_steps": 8, "lora__lora_dropout": 0.2, "data__eval_rows": 0, "output__save_steps": 4}
SAMPLED = {**BARE, "samples__prompts": PROMPTS, "samples__every_steps": 3, "samples__max_new_tokens": 6}


@pytest.mark.parametrize("drawn", [False, True], ids=["greedy", "drawn"])
def test_samples_leave_no_trace_in_what_is_trained(hosted: Hosted, drawn: bool) -> None:
    alone = hosted(**BARE)
    alone.until_ended()
    run = hosted(**SAMPLED, samples__do_sample=drawn)
    run.until_ended()
    assert run.state.steps.metrics == alone.state.steps.metrics
    saved = [one.run.adapter / "adapter_model.safetensors" for one in (alone, run)]
    assert saved[0].read_bytes() == saved[1].read_bytes()
    answers = run.all(SampleAnswered)
    assert [(one.step, one.index) for one in answers] == [(step, at) for step in (0, 3, 4, 6, 8) for at in (0, 1)]
    assert run.state.samples == answers
    assert all(one.end in ("max_new_tokens", "end_of_turn") and 1 <= one.new_tokens <= 6 for one in answers)
    assert {one.prompt for one in answers} == set(PROMPTS)
    assert sentence(answers[0]).startswith("Sample 1 before training: what is the name of red 3 → ")
    assert sentence(answers[-1]).startswith("Sample 2 after step 8: ")


def test_a_sample_is_what_the_chat_answers_with_the_same_weights(hosted: Hosted) -> None:
    run = hosted(**SAMPLED)
    run.until_phase("ready")
    for sample in run.all(SampleAnswered)[-2:]:
        reply, _ = run.ask(sample.prompt, do_sample=False, max_new_tokens=6)
        assert reply == sample.text


def test_samples_are_answered_when_they_are_asked_for(hosted: Hosted) -> None:
    run = hosted(**{**SAMPLED, "training__max_steps": 10**5, "samples__every_steps": None, "output__save_steps": 10**5})
    run.until(lambda: run.state.step >= 1)
    assert run.send(Pause(id=new_command_id())).accepted
    run.until(lambda: run.state.is_paused)
    at = run.state.step
    assert run.send(Sample(id=new_command_id())).accepted
    run.until(lambda: [one.step for one in run.state.samples] == [0, 0, at, at])
    assert run.send(SaveCheckpoint(id=new_command_id())).accepted
    run.until(lambda: [one.step for one in run.state.checkpoints] == [at])
    assert run.send(Unpause(id=new_command_id())).accepted
    run.until(lambda: run.state.step > at)
    run.send(Stop(id=new_command_id()))
    run.until_ended()
    assert not [event.text for event in run.all(LogWritten) if event.level == "warning"]


def test_a_run_without_prompts_says_so(hosted: Hosted) -> None:
    run = hosted(training__max_steps=10**5)
    run.until(lambda: run.state.step >= 1)
    answer = run.send(Sample(id=new_command_id()))
    assert (answer.accepted, answer.text) == (False, "The recipe has no samples.prompts to answer.")


def test_a_prompt_that_is_too_long_costs_its_sample_and_no_more(hosted: Hosted) -> None:
    run = hosted(**{**SAMPLED, "samples__prompts": ["red " * 200, "what is a dog"]})
    run.until_ended()
    assert run.state.ended is not None and run.state.ended.outcome == "completed"
    long, short = run.all(SampleAnswered)[-2:]
    assert long.end == "failed" and long.reason.startswith("The prompt has ") and long.text == ""
    assert short.end != "failed"
