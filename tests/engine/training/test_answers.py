"""Answers measured while a run trains: by which weights, what they come to, without any trace in what is trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cockpit.protocol.events import AnswerJudged, AnswersMeasured, Evaluated, LogWritten, PhaseStarted
from cockpit.runs.sentences import sentence
from tests.engine import tiny
from tests.engine.conftest import HostedRun
from tests.engine.training.resuming import figures, stopped, until_second_end

Hosted = Callable[..., HostedRun]
SUITE: dict[str, Any] = {
    "learned": [{"prompt": "what is red 3", "checks": {"contains": ["arr"]}}],
    "kept": [
        {"prompt": "what is a dog", "checks": {"not_contains": ["zebra crossing"]}},
        {"prompt": "what is one", "checks": {"equals": "never said"}},
    ],
    "max_new_tokens": 6,
}
BARE: dict[str, Any] = {"training__max_steps": 8, "lora__lora_dropout": 0.2, "data__eval_rows": 6}
ASKED = {"rows": 4, "suite": True, "every_steps": 3, "max_new_tokens": 24}
MEASURED: dict[str, Any] = {**BARE, "suite": SUITE, "evaluation": ASKED}


def recipe(model: Path, data: Path, changes: dict[str, Any]) -> str:
    """`changes` to fields, and whole sections by their names."""
    fields = {name: value for name, value in changes.items() if "__" in name}
    sections = {name: value for name, value in changes.items() if "__" not in name}
    text = json.loads(tiny.recipe_text(model, data, backend="transformers", **fields))
    return json.dumps(text | sections)


@pytest.fixture
def started(hosted: Hosted, model: Path, rows: Path) -> Callable[..., HostedRun]:
    def start(changes: dict[str, Any], **more: Any) -> HostedRun:
        return hosted(text=recipe(model, rows, changes), **more)

    return start


def completed(run: HostedRun) -> HostedRun:
    run.until_ended()
    assert run.state.ended is not None and run.state.ended.outcome == "completed", run.state.ended
    return run


def by_step(run: HostedRun) -> dict[int, dict[str, float]]:
    return {event.step: event.figures for event in run.all(AnswersMeasured)}


def test_answers_leave_no_trace_in_what_is_trained(started: Callable[..., HostedRun]) -> None:
    alone, run = completed(started(BARE)), completed(started(MEASURED))
    assert run.state.steps.metrics == alone.state.steps.metrics
    losses = [[one.figures["eval_loss"] for one in each.all(Evaluated)] for each in (alone, run)]
    assert losses[0] == losses[1]
    saved = [one.run.adapter / "adapter_model.safetensors" for one in (alone, run)]
    assert saved[0].read_bytes() == saved[1].read_bytes()

    measured = by_step(run)
    assert list(measured) == [0, 3, 6, 8]
    names = ["eval_exact_match", "eval_token_f1", "eval_learned", "eval_kept", "eval_suite"]
    assert all(list(figures) == names for figures in measured.values())
    assert all(0 <= value <= 1 for figures in measured.values() for value in figures.values())
    assert all(figures["eval_kept"] == 0.5 for figures in measured.values())
    assert measured[8]["eval_token_f1"] > measured[0]["eval_token_f1"]
    assert measured[8]["eval_suite"] == (measured[8]["eval_learned"] + measured[8]["eval_kept"]) / 2
    assert run.state.plan is not None and (run.state.plan.answer_steps, run.state.plan.answers) == (3, 7)
    assert run.state.answers_measured.step[:] == [0, 3, 6, 8]

    given = [one for one in run.all(AnswerJudged) if one.step == 8]
    assert [(one.half, one.index) for one in given] == [
        *(("rows", index) for index in range(4)),
        *(("learned", 0), ("kept", 0), ("kept", 1)),
    ]
    assert given == run.state.answers_given[-7:]
    rows = [one for one in given if one.half == "rows"]
    assert all(one.wanted.startswith("arr ") and one.passed == (one.text.strip() == one.wanted) for one in rows)
    assert "user" in rows[0].title and "arr" not in rows[0].title
    assert given[-1].why.startswith("The reply is ")
    assert sentence(run.all(AnswersMeasured)[0]).startswith("7 answers before training: exact_match 0 %, token_f1 ")


def test_an_answer_is_what_the_chat_answers_with_the_same_weights(started: Callable[..., HostedRun]) -> None:
    run = started(MEASURED)
    run.until_phase("ready")
    for one in run.all(AnswerJudged)[-3:]:
        reply, _ = run.ask(one.title, do_sample=False, max_new_tokens=6)
        assert reply == one.text


def test_the_best_checkpoint_is_picked_and_patience_runs_out_by_answers(started: Callable[..., HostedRun]) -> None:
    """Nothing that the suite asks for is ever kept by half: its first evaluation is the best one."""
    changes = {
        **MEASURED,
        "training__max_steps": 20,
        "training__eval_steps": 2,
        "training__load_best_model_at_end": True,
        "training__metric_for_best_model": "eval_kept",
        "training__early_stopping_patience": 2,
        "output__save_steps": 2,
        "evaluation": {"suite": True},
    }
    run = completed(started(changes))
    assert list(by_step(run)) == [0, 2, 4, 6]
    assert [one.figures["eval_kept"] for one in run.all(Evaluated)] == [0.5] * 4
    assert run.state.ended is not None and run.state.ended.reason == "eval_kept got no better in 2 evaluations."
    assert run.state.adapter is not None and run.state.adapter.step == 2
    phases = [one.phase for one in run.all(PhaseStarted) if one.phase in ("answering", "evaluating")]
    assert phases == ["answering", "evaluating"] * 4


def test_a_stopped_run_goes_on_as_if_nothing_had_been(started: Callable[..., HostedRun]) -> None:
    undisturbed = completed(started(MEASURED))
    first = stopped(lambda **changes: started(changes), 6, **MEASURED)
    assert list(by_step(first)) == [0, 3], "the stop came before the answers"
    again = started(MEASURED, resumed=first.run)
    until_second_end(again)
    assert figures(again) == figures(undisturbed)
    table, wanted = again.state.answers_measured, undisturbed.state.answers_measured
    assert table.step[:] == wanted.step[:] == [0, 3, 6, 8]
    for name in ("eval_exact_match", "eval_token_f1", "eval_learned", "eval_kept"):
        assert table.column(name) == wanted.column(name)


def test_a_suite_is_answered_without_held_out_rows(started: Callable[..., HostedRun]) -> None:
    asked = {"suite": True, "every_steps": 5}
    run = completed(started({**MEASURED, "data__eval_rows": 0, "evaluation": asked}))
    assert list(by_step(run)) == [0, 5, 8]
    assert run.all(Evaluated) == []
    seldom = completed(started({**MEASURED, "data__eval_rows": 0, "evaluation": {"suite": True}}))
    assert list(by_step(seldom)) == [0, 8]


def test_what_cannot_be_answered_is_named(started: Callable[..., HostedRun]) -> None:
    run = started({**BARE, "data__eval_rows": 3, "evaluation": {"rows": 8, "max_new_tokens": 24}})
    completed(run)
    assert "Of the held-out rows 3 are answered, not 8." in [event.text for event in run.all(LogWritten)]
    whole_rows = started({**BARE, "data__train_on": "all", "evaluation": {"rows": 2}})
    whole_rows.until_ended()
    assert whole_rows.state.ended is not None and whole_rows.state.ended.outcome == "failed"
    assert whole_rows.state.ended.reason.startswith("None of the held-out rows has a last answer")


FUNCTION = "def longer(answer, wanted):\n    return min(1.0, len(answer) / 100)\n"


def test_a_function_of_ones_own_judges(tmp_path: Path, model: Path, rows: Path, hosted: Hosted) -> None:
    (tmp_path / "judging.py").write_text(FUNCTION)
    asked = {"rows": 3, "metrics": ["json_valid"], "regex": "arr", "function": "judging:longer", "max_new_tokens": 6}
    text = recipe(model, rows, {**BARE, "training__max_steps": 2, "evaluation": asked})
    from_elsewhere = completed(hosted(text=text, folder=str(tmp_path)))
    assert all(list(one) == ["eval_json_valid", "eval_regex"] for one in by_step(from_elsewhere).values())
    warned = [event.text for event in from_elsewhere.all(LogWritten) if event.level == "warning"]
    assert "asks to run code of its author (evaluation.function): that is off" in warned[0]
    judge = tmp_path / "judge.sh"
    judge.write_text("#!/bin/sh\ncat >/dev/null\n")
    judge.chmod(0o700)
    suite = {"learned": [{"prompt": "what is one", "checks": {"judge": ["./judge.sh"]}}], "max_new_tokens": 2}
    changes = {**BARE, "training__max_steps": 2, "evaluation": {**asked, "suite": True}, "suite": suite}
    run = hosted(text=recipe(model, rows, changes), made_here=True, folder=str(tmp_path))
    completed(run)
    assert list(by_step(run)) == [0, 2]
    names = ["eval_json_valid", "eval_regex", "eval_function", "eval_learned", "eval_suite"]
    assert all(list(one) == names for one in by_step(run).values())
    assert all(one["eval_learned"] == 1 for one in by_step(run).values()), "it is found where the run was started"
    assert 0 < by_step(run)[2]["eval_function"] <= 1
