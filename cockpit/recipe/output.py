"""What a run leaves behind and whom it reports to."""

from __future__ import annotations

from typing import Annotated, Literal

from cockpit.recipe.section import Field, Section, unit

Reporter = Annotated[str, Field(min_length=1)]


class Output(Section):
    """Checkpoints, the saved model, reporting. The adapter and the tokenizer are always saved in the run folder."""

    run_name: str | None = None
    """Name of the run; empty for the recipe's name. The time is added."""

    logging_steps: int = Field(default=1, ge=1, json_schema_extra=unit("steps"))
    """Steps between two points of the loss curve."""

    save_steps: int | None = Field(default=None, ge=1, json_schema_extra=unit("steps"))
    """Steps between two checkpoints; empty for none."""

    save_total_limit: int | None = Field(default=None, ge=1, json_schema_extra=unit("checkpoints"))
    """Keep only the newest so many checkpoints; empty for all."""

    merged: Literal["none", "merged_16bit", "merged_4bit"] = "none"
    """Save base and adapter as one model too. merged_4bit rounds: small changes can be lost."""

    push_to_hub: str | None = None
    """Repository to push the result to, owner/name; empty for none. The token comes from the Hub's own login."""

    report_to: list[Reporter] = []
    """Where else the figures go: tensorboard, wandb, mlflow ...; empty for nowhere."""

    logging_dir: str | None = None
    """TensorBoard's folder; empty for one inside the run folder."""
