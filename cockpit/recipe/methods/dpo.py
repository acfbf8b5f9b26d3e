"""dpo: direct preference optimization, by pairs of a better and a worse answer"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from cockpit.recipe.methods.method import Method
from cockpit.recipe.methods.pairs import MARGIN, PAIR_CHARTS, PAIR_FIGURES, PAIR_FORMS, SIDES_FIXED
from cockpit.recipe.section import Conflict, Field, Section

SMOOTHED = ("exo_pair", "robust", "aot", "aot_unpaired")
"""Losses that label_smoothing is for."""
DIVERGES = ("sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop")
"""Losses that may take another divergence than the reverse KL."""


class Dpo(Section):
    """Direct preference optimization."""

    beta: float = Field(default=0.1, gt=0, le=100)
    """How close the model stays to where it began: more is closer. 0.1 to 0.5 is usual."""

    loss_type: Literal[
        "sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot",
        "aot_unpaired", "apo_zero", "apo_down", "discopop",
    ] = "sigmoid"  # fmt: skip
    """The loss: sigmoid is DPO's own; ipo overfits less, robust allows for swapped pairs."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """Share of the pairs that are taken to be swapped, for robust, exo_pair and aot."""

    rpo_alpha: float | None = Field(default=None, gt=0, le=100)
    """Weight of a loss on the chosen answers as sft has it, added to the other (RPO): keeps them likely. 1 is usual."""

    ld_alpha: float | None = Field(default=None, ge=0, le=1)
    """Weight of what makes one answer longer than the other (LD-DPO): less works against longer answers."""

    f_divergence_type: Literal["reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"] = "reverse_kl"
    """How the distance from the beginning is measured; reverse_kl is DPO's own."""

    use_weighting: bool = False
    """Weigh pairs by how likely the model finds them (WPO)."""

    disable_dropout: bool = True
    """Leave dropout out while training, so that model and reference compare."""

    def conflicts(self) -> Iterator[Conflict]:
        if self.loss_type == "exo_pair" and not self.label_smoothing:
            yield Conflict("label_smoothing", "exo_pair needs more than 0", "give 0.001")
        elif self.label_smoothing and self.loss_type not in SMOOTHED:
            wrong = f"the loss {self.loss_type} does not use it"
            yield Conflict("label_smoothing", wrong, f"give 0, or {', '.join(SMOOTHED)} as loss_type")
        if self.f_divergence_type != "reverse_kl" and self.loss_type not in DIVERGES:
            wrong = f"the loss {self.loss_type} is of the reverse KL alone"
            yield Conflict("f_divergence_type", wrong, f"give reverse_kl, or {', '.join(DIVERGES)} as loss_type")
        if self.use_weighting and self.loss_type.startswith("aot"):
            wrong = f"{self.loss_type} sorts the pairs, which would then have each other's weights"
            yield Conflict("use_weighting", wrong, "give false, or another loss_type")


DPO = Method(
    name="dpo",
    title="direct preference optimization",
    forms=PAIR_FORMS,
    rows="pairs",
    unit="pairs",
    settings=Dpo,
    main=MARGIN,
    figures=PAIR_FIGURES,
    charts=PAIR_CHARTS,
    fixed=SIDES_FIXED,
)
