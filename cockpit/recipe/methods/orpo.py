"""orpo: odds ratio preference optimization, supervised fine-tuning and preference in one, without a reference"""

from __future__ import annotations

from cockpit.recipe.methods.method import Figure, Method
from cockpit.recipe.methods.pairs import MARGIN, PAIR_CHARTS, PAIR_FIGURES, PAIR_FORMS, SIDES_FIXED
from cockpit.recipe.section import Field, Section


class Orpo(Section):
    """Odds ratio preference optimization."""

    beta: float = Field(default=0.1, gt=0, le=100)
    """Weight of the preference beside the loss on the chosen answers. 0.1 to 0.25 is usual."""

    disable_dropout: bool = True
    """Leave dropout out while training."""


ORPO = Method(
    name="orpo",
    title="odds ratio preference optimization",
    forms=PAIR_FORMS,
    rows="pairs",
    unit="pairs",
    settings=Orpo,
    main=MARGIN,
    figures=(*PAIR_FIGURES, Figure("nll_loss", "nll loss", "down"), Figure("log_odds_chosen", "log odds", "up")),
    charts=PAIR_CHARTS,
    fixed=SIDES_FIXED,
)
