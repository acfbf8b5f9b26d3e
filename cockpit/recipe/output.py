"""What a run leaves behind and whom it reports to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from cockpit.recipe.section import Conflict, Field, Section, place, unit

Reporter = Literal[
    "tensorboard", "wandb", "mlflow", "trackio", "swanlab", "comet_ml", "clearml", "codecarbon", "dvclive", "neptune",
    "azure_ml", "dagshub", "flyte", "kubeflow",
]  # fmt: skip


class Output(Section):
    """Checkpoints, the saved model, reporting. The adapter and the tokenizer are always saved in the run folder."""

    run_name: str | None = Field(default=None, min_length=1, max_length=120)
    """Name of the run; empty for the recipe's name. The time is added."""

    logging_steps: int = Field(default=1, ge=1, le=1_000_000, json_schema_extra=unit("steps"))
    """Steps between two figures for report_to. The curves here have every step."""

    save_steps: int | None = Field(default=None, ge=1, le=10_000_000, json_schema_extra=unit("steps"))
    """Steps between two checkpoints; empty for every 200, or none with full fine-tuning. A stop leaves one too."""

    save_total_limit: int | None = Field(default=None, ge=1, le=100_000, json_schema_extra=unit("checkpoints"))
    """Keep only the newest so many checkpoints, and the best where one is sought; empty for all, or for 3 where
    save_steps is empty too."""

    merged: Literal["none", "merged_16bit", "merged_4bit"] = "none"
    """Save base and adapter as one model too. merged_4bit rounds: small changes can be lost."""

    push_to_hub: str | None = None
    """Repository to push the result to, owner/name; empty for none. The token comes from the Hub's own login."""

    row_losses: bool = False
    """Keep the loss of each row in each step: cockpit data RUN, or d in the run, shows rows far above the rest."""

    report_to: list[Reporter] = []
    """Where else the figures go: tensorboard, wandb, mlflow ...; empty for nowhere."""

    logging_dir: str | None = Field(default=None, json_schema_extra=place())
    """TensorBoard's folder; empty for one inside the run folder."""

    def conflicts(self) -> Iterator[Conflict]:
        if self.save_total_limit is not None and self.save_steps is None:
            wrong = "save_steps is empty, and 3 are kept then"
            yield Conflict("save_total_limit", wrong, "give save_steps too, or leave it empty")
        if self.push_to_hub is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", self.push_to_hub):
            yield Conflict("push_to_hub", "this names no repository of the Hub", "write it as owner/name")
        if self.logging_dir is not None and "tensorboard" not in self.report_to:
            wrong = "it is TensorBoard's folder, and report_to does not name tensorboard"
            yield Conflict("logging_dir", wrong, "add tensorboard to report_to, or leave it empty")
        for index, name in enumerate(self.report_to):
            if name in self.report_to[:index]:
                yield Conflict(f"report_to.{index}", f"{name} stands twice", "name it once")
