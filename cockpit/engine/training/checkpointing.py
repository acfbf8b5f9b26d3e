"""Checkpoints as the trainer writes them: atomically, the newest few and the best kept"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cockpit.disk import flush, flush_folder, size_of
from cockpit.engine.errors import classify_error, is_out_of_memory
from cockpit.engine.journal import Journal
from cockpit.engine.training.best_weights import best_checkpoint
from cockpit.recipe.recipe import Recipe
from cockpit.runs.checkpoint import STATE, checkpoints
from cockpit.runs.folder import RunDir

if TYPE_CHECKING:
    from cockpit.engine.training.callback import EventCallback

EVERY_STEPS, KEPT = 200, 3
"""Of adapters, which are small, where the recipe does not say."""


def checkpoint_plan(recipe: Recipe) -> tuple[int | None, int | None]:
    """Steps between two checkpoints, None for none before the end; how many are kept, None for all."""
    output = recipe.output
    if output.save_steps is None and recipe.finetuning_type == "lora":
        return EVERY_STEPS, KEPT
    return output.save_steps, output.save_total_limit


def save_checkpoints_whole(
    trainer: Any, callback: EventCallback, run: RunDir, journal: Journal, limit: int | None
) -> None:
    """Checkpoints are written to a temporary path and renamed, so that each is complete; one that fails ends no run."""
    save = trainer._save_checkpoint
    trainer.create_model_card = lambda *args, **kwargs: None  # it would lie beside the checkpoints
    partial = run.checkpoints / ".partial"

    def save_complete(model: Any, trial: Any) -> None:
        journal.enter_phase("saving", f"checkpoint {callback.step}")
        shutil.rmtree(partial, ignore_errors=True)
        trainer._get_output_dir = lambda trial=None: str(partial)
        try:
            save(model, trial)
            (written,) = partial.glob("checkpoint-*")
            place = run.checkpoints / written.name
            _name_best(trainer, run.checkpoints, written)
            flush(written)
            shutil.rmtree(place, ignore_errors=True)
            written.rename(place)
            flush_folder(run.checkpoints)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            why = classify_error(error, None, callback.step).reason
            journal.log("warning", f"Checkpoint {callback.step} could not be saved: {why} The run goes on without it.")
            _name_best(trainer, run.checkpoints)
            return
        finally:
            del trainer._get_output_dir
            shutil.rmtree(partial, ignore_errors=True)
        callback.checkpoint_saved(str(place.relative_to(run.path)), size_of(place))
        best = trainer.state.best_model_checkpoint
        for old in checkpoints(run.checkpoints)[limit:] if limit else []:
            if str(old.path) != best:
                shutil.rmtree(old.path, ignore_errors=True)

    trainer._save_checkpoint = save_complete


def _name_best(trainer: Any, folder: Path, written: Path | None = None) -> None:
    """The trainer has looked for the best checkpoint beside the partial one, `written`; it stands, or will, in
    `folder`. One that could not be saved is none: the older one is kept in its place."""
    if trainer.state.best_global_step:
        best = best_checkpoint(trainer, folder, None if written is None else trainer.state.global_step)
        trainer.state.best_model_checkpoint = None if best is None else str(best)
        if written is not None:
            trainer.state.save_to_json(str(written / STATE))
