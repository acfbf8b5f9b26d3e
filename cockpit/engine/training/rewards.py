"""Rewards of completions: the recipe's own kinds, and functions of the user's"""

from __future__ import annotations

import contextlib
import math
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from cockpit.engine.errors import RunFailure
from cockpit.recipe.methods.grpo import Grpo, Reward, reward_names
from cockpit.suites.checks import fits_schema, shown
from cockpit.suites.own_code import find_function
from cockpit.text.plain_text import plain_line

NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
Score = Callable[[str, dict[str, Any], int], float]
"""Of a completion's text, the other columns of its row, and its tokens."""
Words = Callable[[Sequence[int]], str]
"""Of token ids."""


class RewardFunction:
    """As TRL calls one; raises RunFailure with the sample that was in hand."""

    def __init__(self, name: str, score: Score, words: Words | None = None) -> None:
        """`words`: what a completion's tokens say, where that is not what TRL has made of them."""
        self.__name__ = name
        self._score, self._words = score, words

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any], completion_ids: Sequence[Any], **columns: Any
    ) -> list[float]:
        """A number for each completion."""
        scores = []
        for at, completion in enumerate(completions):
            row = {name: values[at] for name, values in columns.items() if isinstance(values, list)}
            try:
                text = self._words(completion_ids[at]) if self._words is not None else text_of(completion)
                scores.append(self._score(text, row, len(completion_ids[at])))
            except ValueError as error:
                raise _failure(self.__name__, str(error), prompts[at], completion) from error
        return scores


class OwnFunction:
    """A function of the user's, given whole batches, as TRL does it."""

    def __init__(self, name: str, reference: str) -> None:
        """Raises RunFailure where it cannot be found."""
        self.__name__ = name
        try:
            self._function = find_function(reference)
        except ValueError as error:
            advice = "It is looked for in the folder that the run was started in, and where Python finds modules."
            raise RunFailure(str(error), advice) from error

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float | None]:
        """A number, or None, for each completion."""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                given = self._function(prompts=prompts, completions=completions, **columns)
        except (Exception, SystemExit) as error:
            at = self._failing(prompts, completions, columns)
            raise _failure(self.__name__, _said(error), prompts[at], completions[at]) from error
        if not isinstance(given, Sequence) or len(given) != len(prompts):
            got = f"{len(given):,} numbers" if isinstance(given, Sequence) else type(given).__name__
            raise _failure(self.__name__, f"it gave {got} for {len(prompts):,} completions", prompts[0], completions[0])
        for at, one in enumerate(given):
            if one is not None and not (isinstance(one, int | float) and math.isfinite(one)):
                wrong = f"it gave {plain_line(repr(one))[:40]}, which is no number"
                raise _failure(self.__name__, wrong, prompts[at], completions[at])
        return list(given)

    def _failing(self, prompts: Sequence[Any], completions: Sequence[Any], columns: dict[str, Any]) -> int:
        """Which completion it fails on: the first that fails alone, else the first of all."""
        for at in range(len(prompts)):
            one = {name: [values[at]] if isinstance(values, list) else values for name, values in columns.items()}
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    self._function(prompts=[prompts[at]], completions=[completions[at]], **one)
            except (Exception, SystemExit):
                return at
        return 0


def reward_functions(grpo: Grpo, tokenizer: Any = None) -> list[Callable[..., Any]]:
    """One for each reward of the recipe, under the names that its figures have, for a model with that tokenizer. Raises
    RunFailure."""
    if not grpo.rewards:
        raise RunFailure(
            "All rewards are functions of the run's author, which are off.", "Resume it with --trust-remote-code."
        )
    return [
        OwnFunction(name, reward.function)
        if reward.function is not None
        else RewardFunction(name, _score_of(reward), _words_with_tags(tokenizer, reward.reasoning_tag))
        for name, reward in zip(reward_names(grpo), grpo.rewards, strict=True)
    ]


def _score_of(reward: Reward) -> Score:
    if reward.regex is not None:
        pattern = re.compile(reward.regex, re.MULTILINE)
        return lambda text, row, tokens: float(pattern.search(text) is not None)
    if reward.reasoning_tag is not None:
        tag = re.escape(reward.reasoning_tag)
        form = re.compile(rf"\s*<{tag}>(?:(?!</?{tag}>).)*</{tag}>(?:(?!</?{tag}>).)*\S(?:(?!</?{tag}>).)*", re.DOTALL)
        return lambda text, row, tokens: float(form.fullmatch(text) is not None)
    if (column := reward.numeric_answer) is not None:
        return lambda text, row, tokens: _same_number(text, row, column)
    if (schema := reward.json_schema) is not None:
        return lambda text, row, tokens: float(not fits_schema(text.strip(), schema))
    longest = reward.length or 1
    return lambda text, row, tokens: max(0.0, min(1.0, 2 - tokens / longest))


def _words_with_tags(tokenizer: Any, tag: str | None) -> Words | None:
    """What reads a completion with its tags, where the tokenizer has these as special tokens: TRL leaves all such out.
    None for a tokenizer to which they are text."""
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    if tag is None or not any(one.special and one.content == f"<{tag}>" for one in added):
        return None
    tags = (f"<{tag}>", f"</{tag}>")
    ends = [one for one in tokenizer.all_special_tokens if one not in tags]

    def words(ids: Sequence[int]) -> str:
        text: str = tokenizer.decode(list(ids), skip_special_tokens=False)
        for end in ends:
            text = text.replace(end, "")
        return text

    return words


def _same_number(text: str, row: dict[str, Any], column: str) -> float:
    if column not in row:
        raise ValueError(f"the row has no column {plain_line(column)} with the right answer")
    wanted, found = _last_number(str(row[column])), _last_number(text)
    if wanted is None:
        raise ValueError(f"the row's {plain_line(column)} has no number: {shown(str(row[column]))}")
    return float(found is not None and math.isclose(wanted, found, rel_tol=1e-9, abs_tol=1e-9))


def _last_number(text: str) -> float | None:
    found = NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None


def text_of(turns: Any) -> str:
    """The words of a completion, or of a prompt's last turn."""
    if isinstance(turns, str):
        return turns
    content = turns[-1].get("content") if turns else ""
    return content if isinstance(content, str) else str(content or "")


def _failure(name: str, why: str, prompt: Any, completion: Any) -> RunFailure:
    sample = f"prompt {shown(text_of(prompt))}, completion {shown(text_of(completion))}"
    return RunFailure(f"The reward {name} failed: {why.rstrip('.')} ({sample}).", "Mend it and resume the run.")


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {plain_line(str(error))[:120]}".rstrip(": ")
