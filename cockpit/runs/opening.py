"""What a chat opens with: how the run has ended, and the recipe's sample prompts as base and tuned answer them"""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.protocol import events as ev
from cockpit.runs.labels import OUTCOMES
from cockpit.runs.state import Reply, RunState
from cockpit.text.numbers import count, duration, metric
from cockpit.text.plain_text import plain_line


@dataclass(frozen=True)
class Compared:
    """A prompt and its two answers: before the first step, and with the weights that were saved."""

    prompt: str
    base: Reply
    tuned: Reply


def how_it_ended(state: RunState) -> str:
    """A sentence; empty while it has not ended."""
    if state.ended is None:
        return ""
    facts = []
    if (measured := state.before_and_after) is not None:
        was, now = measured
        facts.append(f"held-out {plain_line(state.main.label)} {metric(was)} before, {metric(now)} now")
    if state.elapsed_s is not None:
        facts.append(f"in {duration(state.elapsed_s)}")
    said = f"{OUTCOMES[state.ended.outcome]} after step {count(state.ended.step)}"
    return f"{said}: {', '.join(facts)}." if facts else f"{said}."


def compared_samples(state: RunState) -> list[Compared]:
    """Those prompts that were answered before the first step and after the last one that was saved."""
    saved = state.adapter.step if state.adapter is not None else None
    base = {sample.index: sample for sample in state.samples if sample.step == 0}
    tuned = {
        sample.index: sample for sample in state.samples if sample.step > 0 and sample.step <= (saved or sample.step)
    }
    return [
        Compared(one.prompt, _reply(one, adapter=False), _reply(tuned[index], adapter=True))
        for index, one in sorted(base.items())
        if index in tuned and tuned[index].prompt == one.prompt
    ]


def _reply(sample: ev.SampleAnswered, *, adapter: bool) -> Reply:
    ended = ev.ReplyEnded(
        command_id="",
        end=sample.end,
        prompt_tokens=0,
        new_tokens=sample.new_tokens,
        duration_s=sample.duration_s,
        first_token_s=None,
        reason=sample.reason,
    )
    return Reply("", sample.prompt, adapter, sample.text, sample.thinking, sample.new_tokens, ended=ended)
