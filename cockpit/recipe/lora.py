"""The adapter: PEFT's LoRA fields under PEFT's names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from cockpit.recipe.section import Conflict, Field, Section

ModuleName = Annotated[str, Field(min_length=1)]


MAIN_DIRECTIONS = ("pissa", "pissa_niter_16", "olora")
"""Beginnings that are taken from the weights themselves."""


class Loftq(Section):
    """LoftQ: start the adapter so that it makes good what quantisation lost."""

    loftq_bits: Literal[4, 8] = 4
    """Bits of the quantised base; choosing them starts the adapter with LoftQ."""

    loftq_iter: int = Field(default=1, ge=1, le=100)
    """Rounds of fitting the adapter to the loss of quantisation, where it starts with LoftQ."""


class Lora(Section):
    """The low-rank adapter that is trained."""

    r: int = Field(default=16, ge=1, le=1024)
    """Rank: how much the adapter can learn. Start at 8 and raise it with the task (8, 16, 32, 64, 128 are usual)."""

    lora_alpha: float = Field(default=16, gt=0, le=4096)
    """Scale of the adapter (times 1/r). Equal to r is a good start; 2r is bolder."""

    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the adapter's inputs dropped while training. 0 takes the fast path; 0.1 works against overfitting."""

    bias: Literal["none", "all", "lora_only"] = "none"
    """Which biases are trained too. none is the fast path."""

    target_modules: Literal["all-linear"] | list[ModuleName] = Field(
        default=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], min_length=1
    )
    """Layers that get an adapter, by the end of their names; all-linear takes every linear layer."""

    finetune_vision_layers: bool = False
    """Adapters on layers that see (vision, image, visual, patch)."""

    finetune_language_layers: bool = True
    """Adapters on layers that read and write text (language, text)."""

    finetune_attention_modules: bool = True
    """Adapters on attention (self_attn, attention, attn)."""

    finetune_mlp_modules: bool = True
    """Adapters on the feed-forward blocks (mlp, feed_forward, ffn, dense)."""

    modules_to_save: list[ModuleName] = []
    """Layers trained whole and saved beside the adapter, such as lm_head and embed_tokens: needs much memory."""

    use_rslora: bool = False
    """Scale by 1/sqrt(r) in place of 1/r: steadier at high ranks."""

    use_dora: bool = False
    """Learn direction and size of each weight apart (DoRA): often a little better, always slower."""

    init: Literal["default", "gaussian", "pissa", "pissa_niter_16", "olora"] = "default"
    """How the adapter begins. pissa and olora begin with the main directions of the weights, learn faster at first, and
    are saved with twice the rank; pissa_niter_16 is pissa found in seconds."""

    loftq_config: Loftq | None = None
    """Start the adapter with LoftQ; empty for PEFT's usual start."""

    random_state: int = Field(default=3407, ge=0, le=2**32 - 1)
    """Seed of the adapter's first weights."""

    @property
    def has_halves(self) -> bool:
        """Whether the adapter begins with something of the weights, which its second half takes off again."""
        return self.init in MAIN_DIRECTIONS

    def conflicts(self) -> Iterator[Conflict]:
        pairs = (
            ("finetune_language_layers", "finetune_vision_layers"),
            ("finetune_attention_modules", "finetune_mlp_modules"),
        )
        for one, other in pairs:
            if not getattr(self, one) and not getattr(self, other):
                wrong = f"with {other} off as well, no layer is left to train"
                yield Conflict(one, wrong, "switch one of the two on")
        yield from self._name_conflicts()
        if self.loftq_config is not None and self.use_dora:
            yield Conflict("loftq_config", "use_dora starts the adapter in its own way", "keep one of the two")
        if self.init != "default" and self.loftq_config is not None:
            yield Conflict("init", "loftq_config starts the adapter in its own way", "keep one of the two")
        if self.has_halves and self.use_dora:
            wrong = f"use_dora learns sizes from where the adapter begins, and {self.init} begins elsewhere"
            yield Conflict("init", wrong, "give default, or false as use_dora")

    def _name_conflicts(self) -> Iterator[Conflict]:
        for field, names in (("target_modules", self.target_modules), ("modules_to_save", self.modules_to_save)):
            for index, name in enumerate(names if isinstance(names, list) else ()):
                if name == "all-linear":
                    right = "write it alone, not in a list" if field == "target_modules" else "name the layers"
                    yield Conflict(f"{field}.{index}", "all-linear is not the name of a layer", right)
                elif not re.fullmatch(r"[\w.-]+", name):
                    wrong = f"{name!r} cannot be the name of a layer" if name.isprintable() else "this names no layer"
                    yield Conflict(f"{field}.{index}", wrong, "give names such as q_proj, with commas between")
