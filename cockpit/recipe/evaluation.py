"""Answers while it trains: what the model says to held-out rows and to the suite, measured every so many steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from cockpit.recipe.section import Conflict, Field, Section, unit
from cockpit.recipe.suite import is_function, wrong_regex

OF_ROWS = ("exact_match", "token_f1", "json_valid", "regex", "function")
OF_SUITE = ("learned", "kept", "suite")
ANSWER_METRICS = tuple(f"eval_{name}" for name in (*OF_ROWS, *OF_SUITE))
"""All that answers can be measured by, as metric_for_best_model names it."""
TRAINER_METRICS = ("eval_loss", "eval_mean_token_accuracy", "eval_entropy")
"""What TRL's trainers measure of the held-out rows by themselves."""


class Evaluation(Section):
    """Answers that the model gives before, while and after it trains, and how good they are."""

    rows: int = Field(default=0, ge=0, le=2048, json_schema_extra=unit("rows"))
    """Held-out rows whose last turn the model answers, which is compared with the row's own; 0 for none."""

    suite: bool = False
    """Answer the recipe's suite too: eval_learned and eval_kept are the shares of each half that pass, eval_suite their
    mean."""

    every_steps: int | None = Field(default=None, ge=1, le=10_000_000, json_schema_extra=unit("steps"))
    """How often, beside start and end; empty for as often as training.eval_steps."""

    metrics: list[Literal["exact_match", "token_f1", "json_valid"]] = ["exact_match", "token_f1"]
    """What is measured of the rows' answers: the same text, words in common, valid JSON. Each is a mean from 0 to 1,
    called eval_exact_match and so on."""

    regex: str | None = Field(default=None, min_length=1)
    """eval_regex is the share of the rows' answers in which this Python regex finds something; ^ and $ are begin and
    end of a line."""

    function: str | None = Field(default=None, min_length=1)
    """A Python function of your own, module:function; it is given the answer and the row's own, and returns whether it
    is right, or a number from 0 to 1. eval_function is the mean."""

    max_new_tokens: int = Field(default=128, ge=1, le=4096, json_schema_extra=unit("tokens"))
    """Longest answer to a row; those to the suite are as long as the suite says."""

    @property
    def answers(self) -> bool:
        """Whether anything is answered."""
        return self.rows > 0 or self.suite

    def names(self) -> tuple[str, ...]:
        """What is measured, in order."""
        named = {"regex": self.regex, "function": self.function}
        of_rows = [one for one in OF_ROWS if one in self.metrics or named.get(one)] if self.rows else []
        return tuple(f"eval_{name}" for name in (*of_rows, *(OF_SUITE if self.suite else ())))

    def conflicts(self) -> Iterator[Conflict]:
        if self.every_steps is not None and not self.answers:
            yield Conflict("every_steps", "there is nothing to answer", "give rows or suite: true, or leave it empty")
        if self.rows and not self.names()[: len(OF_ROWS)]:
            yield Conflict("metrics", "nothing is measured of the rows' answers", "give one, such as exact_match")
        if self.regex is not None and (why := wrong_regex(self.regex)):
            yield Conflict("regex", f"it is no regular expression ({why})", "mend it")
        if self.function is not None and not is_function(self.function):
            yield Conflict("function", f"'{self.function}' names no function", "write it as my.module:function")
