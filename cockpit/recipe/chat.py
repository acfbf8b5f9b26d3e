"""Asking the result: presets of the chat pane, and prompts that are answered while it trains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from cockpit.recipe.section import Conflict, Field, Section, unit


class Sampling(Section):
    """How a reply is drawn."""

    name: str = Field(default="chat", min_length=1)
    """What the preset is called in the chat pane."""

    enable_thinking: bool = False
    """Let the model reason before it answers, where its template has the switch."""

    do_sample: bool = True
    """Draw tokens by their probability; off always takes the likeliest (greedy)."""

    max_new_tokens: int = Field(default=256, ge=1, le=131_072, json_schema_extra=unit("tokens"))
    """Longest reply."""

    temperature: float = Field(default=0.7, gt=0, le=5)
    """Below 1 keeps to the likely, above 1 wanders."""

    top_p: float = Field(default=0.8, gt=0, le=1)
    """Draw only from the likeliest tokens that together make this share."""

    top_k: int = Field(default=20, ge=0, le=1000)
    """Draw only from this many likeliest tokens; 0 for all."""

    min_p: float = Field(default=0, ge=0, le=1)
    """Leave out tokens less likely than this share of the likeliest one's probability; 0 for none."""

    repetition_penalty: float | None = Field(default=None, gt=0, le=5)
    """Above 1 makes what was said already less likely; empty for the model's own, and none when greedy."""

    seed: int | None = Field(default=None, ge=0, le=2**31 - 1)
    """The same seed draws the same reply; empty for another one each time."""

    system_prompt: str = ""
    """Stands before the conversation as the system's words; empty for none, or the template's own."""


class Chat(Section):
    """The chat pane after training."""

    presets: list[Sampling] = Field(default=[Sampling()], min_length=1)
    """Sampling presets; the first one stands when the pane opens."""

    trial_prompt: str = ""
    """Stands in the prompt field when the pane opens."""

    def conflicts(self) -> Iterator[Conflict]:
        names = [preset.name for preset in self.presets]
        for index, name in enumerate(names):
            if name in names[:index]:
                wrong = f"preset {names.index(name)} is called {name} too"
                yield Conflict(f"presets.{index}.name", wrong, "give each preset a name of its own")


class Samples(Section):
    """Prompts answered by the model before, while and after it trains, so that progress can be read."""

    prompts: list[Annotated[str, Field(min_length=1)]] = Field(default=[], max_length=32)
    """What is asked each time; empty for none. Training goes on as it would without."""

    every_steps: int | None = Field(default=None, ge=1, le=10_000_000, json_schema_extra=unit("steps"))
    """How often, beside each checkpoint; empty for these alone."""

    max_new_tokens: int = Field(default=96, ge=1, le=4096, json_schema_extra=unit("tokens"))
    """Longest answer to each prompt."""

    do_sample: bool = False
    """Draw tokens by their probability, each time alike; off always takes the likeliest, which changes least."""

    temperature: float = Field(default=0.7, gt=0, le=5)
    """Below 1 keeps to the likely, above 1 wanders; where do_sample is on."""

    enable_thinking: bool = False
    """Let the model reason before it answers, where its template has the switch."""

    system_prompt: str = ""
    """Stands before each prompt as the system's words; empty for none, or the template's own."""

    def conflicts(self) -> Iterator[Conflict]:
        if self.every_steps is not None and not self.prompts:
            yield Conflict("every_steps", "there are no samples.prompts to answer", "give prompts, or leave it empty")
