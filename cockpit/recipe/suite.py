"""A smoke suite: prompts that tell whether a run worked, in two halves, each with checks of its reply."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from cockpit.recipe.section import Conflict, Field, Section, place, unit

Text = Annotated[str, Field(min_length=1)]
PICTURES = place(".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
_function = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_function(name: str) -> bool:
    """Whether it is written as my.module:function."""
    return _function.fullmatch(name) is not None


def wrong_regex(pattern: str) -> str:
    """Why it is no regular expression, in a few words; empty where it is one."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return ""


class Turn(Section):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    """Whose words they are."""

    content: str = Field(min_length=1)
    """The words."""

    image: str | None = Field(default=None, min_length=1, json_schema_extra=PICTURES)
    """The picture that they are about: a file; for models that see."""


class Checks(Section):
    """What a reply must fulfil, all of it. Reasoning before the answer is no part of it, nor are blanks around it."""

    contains: list[Text] = []
    """Texts that all stand in the reply."""

    not_contains: list[Text] = []
    """Texts of which none stands in the reply."""

    regex: list[Text] = []
    """Python's regular expressions, all of which are found in the reply; ^ and $ are begin and end of a line."""

    equals: str | None = None
    """The whole reply."""

    one_of: list[Text] = []
    """Texts of which one is the whole reply."""

    ignore_case: bool = False
    """In all of these, capital and small letters are the same."""

    json_: bool = Field(default=False, alias="json")
    """The whole reply is one JSON value."""

    json_schema: dict[str, Any] | None = None
    """The whole reply is JSON that this JSON schema accepts."""

    ends_within: int | None = Field(default=None, ge=1, le=131_072, json_schema_extra=unit("tokens"))
    """The model ends its turn itself, with so many tokens at most, reasoning included."""

    repeats_nothing: bool = False
    """No word stands four times in a row, no phrase three times, no line of five words or more twice."""

    function: str | None = Field(default=None, min_length=1)
    """A Python function of your own, module:function; it is given the reply and returns whether it is right."""

    judge: list[Text] = []
    """A command of your own and its arguments; it reads the reply on stdin and exits with 0 where it is right."""

    def conflicts(self) -> Iterator[Conflict]:
        values = [getattr(self, name) for name in type(self).model_fields if name != "ignore_case"]
        if all(value in (None, False, []) for value in values):
            yield Conflict("contains", "nothing is checked", "give a check, such as contains: [Paris]")
        for index, pattern in enumerate(self.regex):
            if why := wrong_regex(pattern):
                yield Conflict(f"regex.{index}", f"it is no regular expression ({why})", "mend it")
        if self.function is not None and not is_function(self.function):
            wrong = f"'{self.function}' names no function"
            yield Conflict("function", wrong, "write it as my.module:function")


class Prompt(Section):
    """One question, or a conversation whose last turn is to be answered."""

    prompt: str | None = Field(default=None, min_length=1)
    """The question; empty where messages are given."""

    messages: list[Turn] = []
    """A conversation of several turns in place of one question."""

    image: str | None = Field(default=None, min_length=1, json_schema_extra=PICTURES)
    """The picture that the question is about: a file; for models that see."""

    system_prompt: str = ""
    """The system's words before it; empty for those of the suite."""

    name: str | None = Field(default=None, min_length=1, max_length=80)
    """What it is called in a report; empty for its own words."""

    checks: Checks
    """What its reply must fulfil."""

    def conflicts(self) -> Iterator[Conflict]:
        if (self.prompt is None) == (not self.messages):
            wrong = "it stands beside messages" if self.messages else "there is nothing to ask"
            yield Conflict("prompt", wrong, "give one of the two: prompt or messages")
        if self.image is not None and self.messages:
            yield Conflict("image", "it belongs to one of the messages", "give it there")
        roles = [turn.role for turn in self.messages]
        if roles and roles[-1] != "user":
            yield Conflict(f"messages.{len(roles) - 1}.role", "the last turn is to be answered", "give user")
        for index, role in enumerate(roles[:-1]):
            if role == "system" and index:
                yield Conflict(f"messages.{index}.role", "the system speaks first", "give user or assistant")
        if roles[:1] == ["system"] and self.system_prompt:
            yield Conflict("system_prompt", "the messages begin with the system's words", "keep one of the two")

    @property
    def title(self) -> str:
        """What it is called in a report."""
        return self.name or self.prompt or self.messages[-1].content


class Suite(Section):
    """Prompts that tell whether it worked: what was learned, and what was kept of what the base knows."""

    learned: list[Prompt] = []
    """What training is to teach."""

    kept: list[Prompt] = []
    """What the base could do before and should still."""

    threshold: float = Field(default=1.0, ge=0, le=1)
    """The share of prompts that must pass; below it cockpit smoke exits with 1."""

    max_new_tokens: int = Field(default=128, ge=1, le=131_072, json_schema_extra=unit("tokens"))
    """Longest reply."""

    do_sample: bool = False
    """Draw tokens by their probability, each time alike; off always takes the likeliest (greedy)."""

    temperature: float = Field(default=0.7, gt=0, le=5)
    """Below 1 keeps to the likely, above 1 wanders; where do_sample is on."""

    enable_thinking: bool = False
    """Let the model reason before it answers, where its template has the switch."""

    system_prompt: str = ""
    """Stands before each prompt as the system's words; empty for none, or the template's own."""

    def conflicts(self) -> Iterator[Conflict]:
        for half, index, prompt in self.prompts():
            within = prompt.checks.ends_within
            if within is not None and within > self.max_new_tokens:
                wrong = f"a reply is ended after max_new_tokens ({self.max_new_tokens:,})"
                right = f"give at most {self.max_new_tokens}, or raise max_new_tokens"
                yield Conflict(f"{half}.{index}.checks.ends_within", wrong, right)

    def prompts(self) -> Iterator[tuple[Literal["learned", "kept"], int, Prompt]]:
        """All of them, with their half and their place in it."""
        for index, prompt in enumerate(self.learned):
            yield "learned", index, prompt
        for index, prompt in enumerate(self.kept):
            yield "kept", index, prompt
