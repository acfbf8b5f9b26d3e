"""The same prompts as a run has answered them at each step: what a page of them holds, with what changed between"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cockpit.protocol.events import AnswerJudged, AnyEvent, SampleAnswered
from cockpit.runs.state import RunState
from cockpit.text.numbers import metric, percent
from cockpit.text.plain_text import plain_text
from cockpit.text.word_diff import Piece, pieces

KINDS = {"samples": "samples", "learned": "to be learned", "kept": "to be kept", "rows": "held-out rows"}
"""What a question is, in the order of the page."""


class Answered(msgspec.Struct, frozen=True):
    """An answer after `step`: as it is, beside the one before and beside that of the base. `passed`: whether its checks
    hold, None where it has none; `why` is a sentence where something is wrong."""

    step: int
    text: str
    since_before: list[Piece]
    since_base: list[Piece]
    passed: bool | None
    why: str


class Question(msgspec.Struct, frozen=True):
    """A prompt, what kind it is, the answer that is wanted where one is known, and all that were given."""

    kind: str
    title: str
    wanted: str
    answers: list[Answered]


class Timelapse(msgspec.Struct, frozen=True):
    """Of a run: the steps at which anything was answered, what was measured at each, and the questions."""

    run: str
    steps: list[int]
    figures: list[str]
    questions: list[Question]


def timelapse(run: str, events: Iterable[AnyEvent]) -> Timelapse:
    """What counts in the end: answers that a resume went back behind are left out."""
    state = RunState()
    state.take(events)
    given: dict[tuple[str, int, str], list[SampleAnswered | AnswerJudged]] = {}
    for sample in state.samples:
        given.setdefault(("samples", sample.index, sample.prompt), []).append(sample)
    for answer in state.answers_given:
        given.setdefault((answer.half, answer.index, answer.title), []).append(answer)
    asked = sorted(given, key=lambda key: (list(KINDS).index(key[0]), key[1]))
    steps = sorted({one.step for answers in given.values() for one in answers})
    return Timelapse(
        plain_text(run),
        steps,
        [_figures(state, step) for step in steps],
        [_question(kind, title, given[kind, index, title]) for kind, index, title in asked],
    )


def _question(kind: str, title: str, given: list[SampleAnswered | AnswerJudged]) -> Question:
    texts = [plain_text(one.text) for one in given]
    answers = [
        Answered(
            one.step,
            text,
            pieces(texts[max(0, at - 1)], text),
            pieces(texts[0], text),
            one.passed if isinstance(one, AnswerJudged) else None,
            plain_text(one.why if isinstance(one, AnswerJudged) else one.reason),
        )
        for at, (one, text) in enumerate(zip(given, texts, strict=True))
    ]
    wanted = given[-1].wanted if isinstance(given[-1], AnswerJudged) else ""
    return Question(KINDS[kind], plain_text(title), plain_text(wanted), answers)


def _figures(state: RunState, step: int) -> str:
    """What was measured at a step, in a line."""
    value = state.held_out.value_at(f"eval_{state.main.name}", step)
    said = [f"held-out {plain_text(state.main.label)} {metric(value)}"] if value is not None else []
    for name in state.answers_measured.metrics:
        value = state.answers_measured.value_at(name, step)
        if value is not None:
            said.append(f"{name.removeprefix('eval_').replace('_', ' ')} {percent(value)}")
    return " · ".join(said)
