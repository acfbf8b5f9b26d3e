"""What the methods that learn from preference pairs have in common"""

from __future__ import annotations

from cockpit.recipe.data import RowFormat
from cockpit.recipe.methods.method import Chart, Figure, Fixed

PAIR_FORMS: tuple[RowFormat, ...] = ("preference", "ranking")
MARGIN = Figure("rewards/margins", "margin", "up")
PAIR_FIGURES = (
    MARGIN,
    Figure("rewards/accuracies", "preferred", "up"),
    Figure("rewards/chosen", "reward chosen", "up"),
    Figure("rewards/rejected", "  of rejected", "down"),
    Figure("logps/chosen", "logp chosen"),
    Figure("logps/rejected", "logp rejected"),
)
PAIR_CHARTS = (
    Chart("rewards", ("rewards/chosen", "rewards/rejected")),
    Chart("preferred", ("rewards/accuracies",)),
)
SIDES_FIXED = (
    Fixed("data.train_on", ("answers", "last_answer"), "an answer alone is better or worse", "give answers"),
    Fixed("data.long_rows", (None, "truncate", "drop"), "an answer in pieces is no answer", "give truncate or drop"),
    Fixed("training.packing", (False,), "answers are compared, and are not packed", "give false"),
    Fixed("training.padding_free", (False,), "answers are compared, and are not joined", "give false"),
    Fixed("training.group_by_length", (False,), "TRL draws the rows of this method in random order", "give false"),
    Fixed("output.row_losses", (False,), "the loss by row is kept for sft and pretraining alone", "give false"),
    Fixed("evaluation.rows", (0,), "held-out rows are compared, and not answered", "give 0"),
)
