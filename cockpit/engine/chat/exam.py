"""Exam: answers to held-out rows and to the suite, given between two steps and measured"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

import torch

from cockpit.engine.chat.answering import answering
from cockpit.engine.chat.batches import PromptBatches
from cockpit.engine.chat.replies import Chatter
from cockpit.engine.controls import Controls
from cockpit.engine.data.prepare import max_tokens
from cockpit.engine.data.token_rows import IGNORED
from cockpit.engine.errors import RunFailure
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded
from cockpit.protocol.commands import AnswerPrompts
from cockpit.protocol.events import AnswerJudged, AnswersMeasured, PromptAnswered
from cockpit.recipe.recipe import Recipe
from cockpit.suites.answer import Answer
from cockpit.suites.checks import judge
from cockpit.suites.conversations import conversations
from cockpit.suites.own_code import find_function
from cockpit.suites.ready import problems
from cockpit.suites.scores import exact_match, scores

KEPT_ROWS = 16
"""Rows whose answers stand in the log, each time; of the others only the figures do."""


@dataclass(frozen=True)
class Question:
    """A held-out row up to its last answer, and that one. `ids` are the tokens that training has there."""

    ids: list[int]
    wanted: str


def exam_steps(recipe: Recipe) -> int | None:
    """Steps between two exams, beside start and end; None for these alone."""
    return recipe.evaluation.every_steps or (recipe.training.eval_steps if recipe.data.holds_out else None)


class Exam:
    """Given each time to the same rows and prompts; greedily where the suite says nothing else."""

    def __init__(
        self, recipe: Recipe, loaded: Loaded, chatter: Chatter, journal: Journal, controls: Controls, folder: str
    ) -> None:
        """`folder` is the one that the run was started in, where commands of the suite run."""
        self._recipe, self._loaded, self._chatter = recipe, loaded, chatter
        self._journal, self._controls = journal, controls
        self._folder = folder
        asked = recipe.evaluation
        self.every_steps = exam_steps(recipe)
        self._warned: set[str] = set()
        self._scores = scores(asked, self._warn_once) if asked.rows else {}
        self._suite = list(recipe.suite.prompts()) if asked.suite else []
        self._questions: list[Question] = []

    @property
    def answers(self) -> int:
        """How many are given each time."""
        return len(self._questions) + len(self._suite)

    def begin(self, held_out: Any) -> None:
        """Take the rows from those that are `held_out`. Raises RunFailure where none of them can be answered."""
        wanted = self._recipe.evaluation.rows
        if not wanted:
            return
        usable, passed_over = list[Question](), 0
        for row in held_out:
            if len(usable) == wanted:
                break
            question = self._question(row["input_ids"], row["labels"])
            if question is None:
                passed_over += 1
            else:
                usable.append(question)
        if not usable:
            raise RunFailure(
                "None of the held-out rows has a last answer that the model could give: it is cut, or the whole row is "
                "trained, or prompt and evaluation.max_new_tokens are longer than model.max_seq_length.",
                "Set evaluation.rows to 0, or lower evaluation.max_new_tokens.",
            )
        if len(usable) < wanted:
            why = f", as {passed_over:,} cannot be answered as a whole" if passed_over else ""
            self._journal.log("info", f"Of the held-out rows {len(usable):,} are answered, not {wanted:,}{why}.")
        self._questions = usable

    def measure(self, step: int) -> dict[str, float] | None:
        """Answer everything with the weights after `step`, and tell what that comes to; None where a stop came first.
        The caller sees to random numbers."""
        begun = time.monotonic()
        self._journal.enter_phase("answering", f"{self.answers:,} answers")
        with answering(self._loaded, self._recipe):
            torch.manual_seed(self._recipe.training.seed)
            given = self._to_rows()
            to_suite = self._to_suite(len(given))
        if self._controls.stop is not None:
            return None
        metrics = {name: fmean(row) for name, row in self._measured(given).items()}
        judged = [*self._judged_rows(step, given), *self._judged_suite(step, to_suite)]
        metrics |= self._of_suite(judged)
        for event in judged:
            self._journal.emit(event)
        failed = [one.reason for one in (*given, *to_suite) if one.end == "failed"]
        if failed:
            self._warn_once(f"Some prompts got no answer, which counts as a wrong one: {failed[0]}")
        self._journal.emit(
            AnswersMeasured(
                step=step,
                duration_s=time.monotonic() - begun,
                answers=len(given) + len(to_suite),
                new_tokens=sum(one.new_tokens for one in (*given, *to_suite)),
                metrics=metrics,
            )
        )
        return metrics

    # What is asked

    def _question(self, ids: list[int], labels: list[int]) -> Question | None:
        """None where the row has no answer after a prompt, or neither it nor a new one fits in."""
        end = len(labels)
        while end and labels[end - 1] == IGNORED:
            end -= 1
        begin = end
        while begin and labels[begin - 1] != IGNORED:
            begin -= 1
        room = self._loaded.context_tokens - self._recipe.evaluation.max_new_tokens
        is_cut = end == len(ids) == max_tokens(self._recipe) and not self._ends & set(ids[end - 2 : end])
        if not 0 < begin < end or begin > room or is_cut:
            return None
        prompt, answer = list(ids[:begin]), list(ids[begin:end])
        said: list[str] = []
        stream = self._chatter.stream(lambda text, thinking, tokens: said.append(text))
        for part in (prompt, answer):
            stream.put(torch.tensor(part))
        stream.end()
        return Question(prompt, "".join(said).strip())

    @functools.cached_property
    def _ends(self) -> set[int]:
        """Tokens of which one stands at the end of an answer that is not cut."""
        return set(self._chatter.end_ids(self._loaded.model.generation_config))

    def _to_rows(self) -> list[PromptAnswered]:
        if not self._questions:
            return []
        prompts, tokens = [one.ids for one in self._questions], self._recipe.evaluation.max_new_tokens
        return self._collected(0, lambda batches: batches.answer_tokens(prompts, tokens))

    def _to_suite(self, before: int) -> list[PromptAnswered]:
        suite = self._recipe.suite
        if not self._suite or self._controls.stop is not None:
            return []
        asked = AnswerPrompts(
            id="",
            conversations=conversations(suite),
            enable_thinking=suite.enable_thinking,
            do_sample=suite.do_sample,
            max_new_tokens=suite.max_new_tokens,
            temperature=suite.temperature,
        )
        return self._collected(before, lambda batches: batches.answer(asked))

    def _collected(self, before: int, answer: Callable[[PromptBatches], None]) -> list[PromptAnswered]:
        """The answers in the order of the questions; `before` them so many were given."""
        found: list[PromptAnswered] = []

        def take(one: PromptAnswered) -> None:
            found.append(one)
            self._journal.progress("answering", before + len(found), self.answers, "answers")

        answer(PromptBatches(self._chatter, self._journal, self._controls, take, trains=True))
        return sorted(found, key=lambda one: one.index)

    # What it comes to

    def _measured(self, given: list[PromptAnswered]) -> dict[str, list[float]]:
        pairs = list(zip(given, self._questions, strict=True))
        return {
            name: [0.0 if one.end == "failed" else score(one.text.strip(), of.wanted) for one, of in pairs]
            for name, score in self._scores.items()
        }

    def _judged_rows(self, step: int, given: list[PromptAnswered]) -> Iterator[AnswerJudged]:
        for one, of in zip(given[:KEPT_ROWS], self._questions, strict=False):
            passed = one.end != "failed" and bool(exact_match(one.text, of.wanted))
            asked = self._loaded.tokenizer.decode(of.ids, skip_special_tokens=True).strip()
            yield _judged(step, "rows", one.index, asked, one, passed=passed, wanted=of.wanted, why=one.reason)

    def _judged_suite(self, step: int, given: list[PromptAnswered]) -> Iterator[AnswerJudged]:
        for one, (half, index, prompt) in zip(given, self._suite, strict=True):
            answer = Answer(one.text, one.end, one.new_tokens, one.thinking, one.reason)
            found = judge(prompt.checks, answer, self._folder)
            why = found.failures[0] if found.failures else ""
            yield _judged(step, half, index, prompt.title, one, passed=found.passed, why=why)

    def _of_suite(self, judged: list[AnswerJudged]) -> dict[str, float]:
        halves = {half: [one.passed for one in judged if one.half == half] for half in ("learned", "kept")}
        shares = {half: fmean(passed) for half, passed in halves.items() if passed}
        if shares:
            shares["suite"] = fmean(shares.values())
        return {f"eval_{half}": share for half, share in shares.items()}

    def _warn_once(self, sentence: str) -> None:
        if sentence not in self._warned:
            self._warned.add(sentence)
            self._journal.log("warning", sentence)


def check_own_code(recipe: Recipe, folder: str) -> None:
    """See to it that what the recipe's evaluation runs of the user's own is there. `folder` is the one that the run was
    started in, where functions are looked for too. Raises RunFailure."""
    asked = recipe.evaluation
    if folder and folder not in sys.path:
        sys.path.append(folder)
    if asked.rows and asked.function:
        try:
            find_function(asked.function)
        except ValueError as error:
            advice = "It is looked for in the folder that the run was started in, and where Python finds modules."
            raise RunFailure(str(error), advice) from error
    if asked.suite and (wrong := problems(recipe.suite, "suite", folder)):
        raise RunFailure(f"The suite cannot be put: {wrong[0]}.")


def _judged(
    step: int,
    half: Literal["rows", "learned", "kept"],
    index: int,
    title: str,
    one: PromptAnswered,
    *,
    passed: bool,
    wanted: str = "",
    why: str = "",
) -> AnswerJudged:
    return AnswerJudged(
        step=step,
        half=half,
        index=index,
        title=title,
        text=one.text,
        end=one.end,
        new_tokens=one.new_tokens,
        passed=passed,
        wanted=wanted,
        why=why,
    )
