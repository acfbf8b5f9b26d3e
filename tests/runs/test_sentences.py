"""Every event that is worth a line says the same in the log pane and in the commands."""

import io
from pathlib import Path
from typing import get_args

import pytest

from cockpit.cli.report import LineReport
from cockpit.protocol import event_lines
from cockpit.protocol import events as ev
from cockpit.recipe.methods.method import MethodName
from cockpit.recipe.methods.registry import METHODS
from cockpit.runs.labels import OUTCOMES, PHASES, STATES
from cockpit.runs.sentences import log_line, sentence
from cockpit.runs.state import RunState
from cockpit.runs.status import State, is_active
from tests.recording import record


@pytest.mark.parametrize(("kind", "labels"), [(ev.Phase, PHASES), (ev.Outcome, OUTCOMES), (State, STATES)])
def test_everything_has_a_label(kind: object, labels: dict[str, object]) -> None:
    assert set(get_args(kind)) == set(labels)


def test_what_is_active_has_not_ended() -> None:
    assert [state for state in get_args(State) if is_active(state)] == ["starting", "running", "silent"]


def test_log_pane_and_commands_say_the_same(tmp_path: Path) -> None:
    events = event_lines.decode_lines(record(tmp_path, ending="failed", steps=8, until=5).events.read_bytes())
    shown = 0
    for event in events:
        line = log_line(event)
        if line is None:
            continue
        out = io.StringIO()
        LineReport(out).tell(event, RunState())
        mark = f"{event.level}: " if isinstance(event, ev.LogWritten) and event.level != "info" else ""
        assert out.getvalue()[10:] == f"{mark}{line.text}\n"
        shown += 1
    assert shown > 5


def test_a_phase_is_a_sentence_that_the_log_leaves_to_the_phase_bar() -> None:
    event = ev.PhaseStarted(phase="loading_model", detail="Qwen/Qwen3-8B")
    assert sentence(event) == "Loading the model: Qwen/Qwen3-8B"
    assert log_line(event) is None


def test_an_end_says_why_and_what_helps() -> None:
    ended = ev.RunEnded(outcome="out_of_memory", step=1200, reason="The GPU is full.", advice="Halve the batch.")
    assert sentence(ended) == "Training ran out of memory after step 1,200: The GPU is full. Halve the batch."
    line = log_line(ended)
    assert line is not None and line.level == "error"


@pytest.mark.parametrize(
    ("method", "metrics", "said"),
    [
        ("sft", {"eval_loss": 4.011}, "Held-out loss 4.011 after step 20, measured in 0.4 s"),
        ("grpo", {"eval_reward": 1.15}, "Held-out reward 1.150 after step 20, measured in 0.4 s"),
        (
            "dpo",
            {"eval_loss": 0.43, "eval_rewards/margins": 2.5},
            "Held-out margin 2.500, loss 0.4300 after step 20, measured in 0.4 s",
        ),
    ],
)
def test_held_out_rows_are_told_by_what_is_learnt(
    method: MethodName, metrics: dict[str, float | None], said: str
) -> None:
    assert sentence(ev.Evaluated(step=20, metrics=metrics, duration_s=0.4), METHODS[method].told_main) == said
