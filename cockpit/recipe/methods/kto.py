"""kto: Kahneman-Tversky optimization, by answers that are marked as desired or not"""

from __future__ import annotations

from typing import Literal

from cockpit.recipe.methods.method import Chart, Figure, Method
from cockpit.recipe.methods.pairs import MARGIN, PAIR_FORMS, SIDES_FIXED
from cockpit.recipe.section import Field, Section


class Kto(Section):
    """Kahneman-Tversky optimization."""

    beta: float = Field(default=0.1, gt=0, le=100)
    """How close the model stays to where it began: more is closer."""

    loss_type: Literal["kto", "apo_zero_unpaired"] = "kto"
    """kto compares with a KL divergence that each batch estimates; apo_zero_unpaired does without, and is cheaper."""

    desirable_weight: float = Field(default=1.0, gt=0, le=1000)
    """Weight of desired answers. Where they are fewer than the others, so many times more: the sums should be alike."""

    undesirable_weight: float = Field(default=1.0, gt=0, le=1000)
    """Weight of the answers that are not desired."""

    disable_dropout: bool = True
    """Leave dropout out while training, so that model and reference compare."""


KTO = Method(
    name="kto",
    title="Kahneman-Tversky optimization",
    forms=("labelled", *PAIR_FORMS),
    rows="marked",
    unit="answers",
    settings=Kto,
    main=MARGIN,
    figures=(
        MARGIN,
        Figure("rewards/chosen", "reward desired", "up"),
        Figure("rewards/rejected", "  of others", "down"),
        Figure("kl", "KL"),
        Figure("logps/chosen", "logp desired"),
        Figure("logps/rejected", "logp others"),
    ),
    charts=(
        Chart("rewards", ("rewards/chosen", "rewards/rejected")),
        Chart("KL from the beginning", ("kl",)),
    ),
    fixed=SIDES_FIXED,
)
