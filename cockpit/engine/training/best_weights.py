"""The best weights of a run: which checkpoint has them, and the way back to it"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cockpit.engine.journal import Journal
from cockpit.engine.rank import Ranks
from cockpit.recipe.training import Training
from cockpit.runs.checkpoint import checkpoints


def best_checkpoint(trainer: Any, folder: Path, written: int | None = None, *, thorough: bool = False) -> Path | None:
    """Where the best checkpoint of those in `folder` stands, the one after step `written` counted as one of them; None
    where none of them was measured. A better one may be gone or damaged, or could not be saved."""
    steps = {one.step for one in checkpoints(folder) if not (one.defect() or (thorough and one.damage()))} | (
        {written} if written is not None else set()
    )
    best = _best_of(trainer.args, trainer.state, steps)
    return None if best is None else folder / f"checkpoint-{best}"


def recall_best(args: Any, state: Any) -> None:
    """Let a run that goes on compare with all that was measured before: the best that its checkpoint names is that of
    the recipe as it was, by another metric perhaps, or none where that compared nothing."""
    measured = _measured(args, state)
    best = _best_of(args, state, measured)
    if best is not None:
        state.best_metric, state.best_global_step = measured[best], best


class BestWeights:
    """What a trainer goes back to when it ends."""

    def __init__(
        self, trainer: Any, recipe: Training, folder: Path, journal: Journal, ranks: Ranks | None = None
    ) -> None:
        """`trainer` is a RunTrainer, `folder` that of the checkpoints."""
        self._ranks = ranks or Ranks()
        self._trainer, self._recipe, self._folder, self._journal = trainer, recipe, folder, journal
        self._taken = False
        self._step: int | None = None

    def take(self) -> int | None:
        """Go back to the best weights that there are, tell of it, and say after which step they were; None where the
        recipe does not ask for that, or where none of those that are left were measured. Once only."""
        if self._recipe.load_best_model_at_end and not self._taken:
            self._taken = True
            self._step = self._take()
        return self._step

    def _take(self) -> int | None:
        state = self._trainer.state
        place = self._ranks.share(
            best_checkpoint(self._trainer, self._folder, thorough=True) if self._ranks.is_first else None
        )
        kept = int(place.name.rpartition("-")[2]) if place else None
        step = _best_of(self._trainer.args, state, {kept or 0, state.global_step})
        if place and step != state.global_step:
            state.best_model_checkpoint = str(place)
            self._trainer.load_best()
        if state.best_metric is not None and state.best_global_step:
            self._tell(step, kept)
        return step

    def _tell(self, step: int | None, kept: int | None) -> None:
        state = self._trainer.state
        best = self._named(state.best_metric, state.best_global_step)
        if step == kept == state.best_global_step:
            self._journal.log("info", f"The best checkpoint is kept and saved as the result: {best}.")
            return
        gone = f"The best was {best}, and there is no complete checkpoint of it"
        if step is None or step == state.global_step:
            self._journal.log("warning", f"{gone}: the last weights are saved.")
            return
        instead = self._named(_measured(self._trainer.args, state)[step], step)
        self._journal.log("warning", f"{gone}: the best that is left is saved as the result, {instead}.")

    def _named(self, metric: float, step: int) -> str:
        return f"{self._recipe.metric_for_best_model} {metric:.4g} after step {step:,}"


def _best_of(args: Any, state: Any, steps: Iterable[int]) -> int | None:
    """The one whose weights were measured best, the first of several; None where none of them was measured."""
    measured = _measured(args, state)
    found = [step for step in sorted(steps) if step in measured]
    return (max if args.greater_is_better else min)(found, key=lambda step: measured[step], default=None)


def _measured(args: Any, state: Any) -> dict[int, float]:
    """What evaluations are compared by, after each step that was measured on the way."""
    name = args.metric_for_best_model
    return {
        one["step"]: one[name]
        for one in state.log_history
        if name in one and one["step"] > 0 and math.isfinite(one[name])
    }
