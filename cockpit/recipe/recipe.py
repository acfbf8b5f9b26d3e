"""The whole recipe, and the combinations of fields that cannot work."""

from __future__ import annotations

from typing import Literal


from cockpit.recipe.chat import Chat, Samples
from cockpit.recipe.data import Data
from cockpit.recipe.lora import Lora
from cockpit.recipe.model import Hardware, Model
from cockpit.recipe.output import Output
from cockpit.recipe.section import Field, Section
from cockpit.recipe.training import Training


class About(Section):
    """The recipe's header: what it does and what it needs."""

    title: str = Field(min_length=1, max_length=80)
    """One line."""

    description: str = Field(min_length=1)
    """What the recipe does, and for whom it is."""

    needs: str = Field(min_length=1, max_length=24)
    """The smallest machine that runs it: CPU, 8 GiB, 16 GiB (of VRAM)."""

    duration: str = Field(min_length=1, max_length=40)
    """About how long it takes, and on what: 1 min on 2 CPU cores."""


class Recipe(Section):
    """What to train."""

    schema_: Literal[1] = Field(alias="schema")
    """Version of this file's form."""

    method: Literal["sft"]
    """Kind of training: sft is supervised fine-tuning on examples."""

    about: About
    """The header."""

    backend: Literal["unsloth", "transformers"] = "unsloth"
    """Who loads and patches the model: unsloth is fast; transformers is the plain stack with peft."""

    finetuning_type: Literal["lora", "full"] = "lora"
    """lora trains an adapter; full trains every weight, which takes many times the memory."""

    model: Model
    hardware: Hardware = Hardware()
    lora: Lora = Lora()
    data: Data
    training: Training = Training()
    samples: Samples = Samples()
    chat: Chat = Chat()
    output: Output = Output()
