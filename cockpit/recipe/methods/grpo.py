"""grpo: group relative policy optimization, by rewards of what the model writes itself"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from cockpit.recipe.methods.method import Chart, Figure, Fixed, Method
from cockpit.recipe.methods.pairs import SIDES_FIXED
from cockpit.recipe.section import Conflict, Field, Section, unit
from cockpit.recipe.suite import is_function, wrong_regex

KINDS = ("function", "regex", "reasoning_tag", "numeric_answer", "json_schema", "length")
MOST_SHOWN = 4
"""Rewards that the chart by function shows."""


class Reward(Section):
    """What a completion is rewarded for: one of these."""

    function: str | None = Field(default=None, min_length=1)
    """Your own Python function as module:function; it is given prompts, completions and the columns of their rows as
    lists, as TRL does it, and gives a number, or None, for each completion."""

    regex: str | None = Field(default=None, min_length=1)
    """1 where the pattern is found in the completion, else 0."""

    reasoning_tag: str | None = Field(default=None, min_length=1)
    """1 where the completion is reasoning within <TAG> and </TAG>, and an answer after it; think is usual."""

    numeric_answer: str | None = Field(default=None, min_length=1)
    """A column with the right answer: 1 where the completion's last number is that column's last number, else 0."""

    json_schema: dict[str, Any] | None = None
    """1 where the completion is JSON that this schema accepts, else 0."""

    length: int | None = Field(default=None, ge=1, le=1_000_000, json_schema_extra=unit("tokens"))
    """1 for a completion of at most so many tokens, less for a longer one, 0 for twice as many."""

    weight: float = Field(default=1.0, ge=-1000, le=1000)
    """How much it counts beside the others."""

    @property
    def kind(self) -> str:
        """Which of them it is."""
        return next(name for name in KINDS if getattr(self, name) is not None)

    def conflicts(self) -> Iterator[Conflict]:
        given = [name for name in KINDS if getattr(self, name) is not None]
        if not given:
            wrong = f"nothing is rewarded: none of {', '.join(KINDS)} is given"
            yield Conflict(KINDS[0], wrong, "give one of them")
        for name in given[1:]:
            yield Conflict(name, f"{given[0]} is given too", "give each a reward of its own")
        if self.regex is not None and (why := wrong_regex(self.regex)):
            yield Conflict("regex", f"this is no regular expression ({why})", "mend it")
        if self.function is not None and not is_function(self.function):
            wrong = f"{_quoted(self.function)} does not say in which module the function stands"
            yield Conflict("function", wrong, "give module:function, such as my_rewards:brief")
        if self.reasoning_tag is not None and not re.fullmatch(r"[\w-]+", self.reasoning_tag):
            wrong = f"{_quoted(self.reasoning_tag)} is no name of a tag"
            yield Conflict("reasoning_tag", wrong, "give the name alone, such as think")


def _quoted(name: str) -> str:
    return repr(name) if name.isprintable() and len(name) <= 60 else "this"


class Grpo(Section):
    """Group relative policy optimization."""

    rewards: list[Reward] = []
    """What completions are rewarded for; one at least."""

    num_generations: int = Field(default=8, ge=2, le=1024)
    """Completions of each prompt, which are compared with each other. The effective batch is a multiple of it."""

    max_completion_length: int = Field(default=256, ge=1, le=1_048_576, json_schema_extra=unit("tokens"))
    """Completions are cut off after so many tokens."""

    temperature: float = Field(default=1.0, gt=0, le=10)
    """How freely completions are drawn: without differences between them there is nothing to learn."""

    top_p: float = Field(default=1.0, gt=0, le=1)
    """Draw from the likeliest tokens with this share of the probability."""

    top_k: int = Field(default=0, ge=0, le=1_000_000)
    """Draw from so many of the likeliest tokens; 0 for all."""

    min_p: float | None = Field(default=None, ge=0, le=1)
    """Draw no token that is less likely than this share of the likeliest; empty for all."""

    repetition_penalty: float = Field(default=1.0, gt=0, le=10)
    """More than 1 makes tokens that stand there already less likely."""

    enable_thinking: bool | None = None
    """Whether the chat template asks for reasoning, where it can; empty for its own way."""

    beta: float = Field(default=0.0, ge=0, le=100)
    """Weight of the KL divergence from where the model began; 0 for none, which needs no reference."""

    epsilon: float = Field(default=0.2, gt=0, le=1)
    """How far the likelihood of a token may move in a step, downwards and upwards."""

    epsilon_high: float | None = Field(default=None, gt=0, le=10)
    """The same upwards, where it is not epsilon; DAPO takes 0.28."""

    num_iterations: int = Field(default=1, ge=1, le=64)
    """Steps that are taken on the same completions. With more than 1 a resumed run draws them anew."""

    loss_type: Literal["grpo", "bnpo", "dr_grpo", "dapo"] = "dapo"
    """How the loss is averaged: dapo and bnpo over tokens, dr_grpo over a fixed length, grpo over each completion."""

    scale_rewards: Literal["group", "batch", "none"] = "group"
    """What advantages are divided by: the spread of the rewards in a group, in the batch, or nothing."""

    mask_truncated_completions: bool = False
    """Learn nothing from completions that were cut off."""

    use_vllm: bool = False
    """Let vLLM draw the completions in the same process, where it is installed: faster, and takes memory of its own."""

    vllm_gpu_memory_utilization: float = Field(default=0.3, gt=0, lt=1)
    """Share of the GPU's memory for vLLM."""

    def conflicts(self) -> Iterator[Conflict]:
        if self.epsilon_high is not None and self.epsilon_high < self.epsilon:
            yield Conflict("epsilon_high", "it is less than epsilon", "give as much at least, or leave it empty")


def reward_names(grpo: Grpo) -> list[str]:
    """What figures call each reward: its kind or its function, with a number where several are called alike."""
    names: list[str] = []
    for reward in grpo.rewards:
        name = reward.function.rpartition(":")[2] if reward.function is not None else reward.kind
        names.append(name if name not in names else f"{name}_{1 + sum(one.startswith(name) for one in names)}")
    return names


def reward_figures(grpo: Grpo) -> tuple[Figure, ...]:
    """The mean of each reward."""
    return tuple(Figure(f"rewards/{name}/mean", f"  {name}", "up") for name in reward_names(grpo))


def reward_charts(grpo: Grpo) -> tuple[Chart, ...]:
    """The rewards by function."""
    names = tuple(figure.name for figure in reward_figures(grpo))[:MOST_SHOWN]
    return (Chart("reward by function", names),) if names else ()


REWARD = Figure("reward", "reward", "up")

GRPO = Method(
    name="grpo",
    title="group relative policy optimization",
    forms=("prompts",),
    rows="prompts",
    unit="prompts",
    step_unit="completions",
    settings=Grpo,
    main=REWARD,
    figures=(
        REWARD,
        Figure("reward_std", "  spread"),
        Figure("frac_reward_zero_std", "  no spread", "down"),
        Figure("kl", "KL"),
        Figure("entropy", "entropy"),
        Figure("completions/mean_length", "tokens written"),
        Figure("completions/clipped_ratio", "  cut off", "down"),
        Figure("generation_time_s", "writing, s"),
        Figure("learning_time_s", "learning, s"),
        Figure("generation_memory_gib", "writing, GiB"),
        Figure("learning_memory_gib", "learning, GiB"),
    ),
    charts=(
        Chart("length of completions", ("completions/mean_length",)),
        Chart("share cut off", ("completions/clipped_ratio",)),
        Chart("entropy", ("entropy",)),
        Chart("KL from the beginning", ("kl",)),
    ),
    unwatched=("loss_zero", "loss_diverging", "overfitting"),  # the loss of a step's own completions is about 0
    fixed=(
        *(one for one in SIDES_FIXED if one.field not in ("data.long_rows", "data.train_on", "evaluation.rows")),
        Fixed("evaluation.rows", (0,), "held-out prompts are rewarded, and have no answers to be compared", "give 0"),
        Fixed("data.long_rows", (None, "drop"), "half a prompt is no prompt", "give drop, or leave it empty"),
        Fixed("data.duplicates", ("keep", "drop"), "prompts are compared whole", "give keep or drop"),
    ),
)
