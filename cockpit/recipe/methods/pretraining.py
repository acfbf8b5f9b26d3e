"""pretraining: continued pretraining on plain texts, all of whose tokens are learnt"""

from __future__ import annotations

from cockpit.recipe.methods.method import Fixed, Method
from cockpit.recipe.section import Field, Section


class Pretraining(Section):
    """Continued pretraining."""

    embedding_learning_rate: float | None = Field(default=None, gt=0, le=1)
    """Learning rate of embeddings and head, where lora.modules_to_save or full training trains them whole: 2 to 10
    times smaller than training.learning_rate. Empty for the same."""


PRETRAINING = Method(
    name="pretraining",
    title="continued pretraining",
    forms=("text",),
    unit="texts",
    settings=Pretraining,
    fixed=(
        Fixed("data.train_on", ("answers", "all"), "plain texts have no last answer", "give all, or leave it out"),
        Fixed("data.response_part", (None,), "all of a plain text is learnt, whatever it begins with", "leave it out"),
        Fixed("evaluation.rows", (0,), "plain texts have no answers to measure", "give 0"),
    ),
)
