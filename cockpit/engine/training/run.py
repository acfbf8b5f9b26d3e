"""recipe, model and rows -> a trained model: what all methods share; reads top to bottom"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from cockpit.data.row_losses import forget_after
from cockpit.disk import new_folder, size_of
from cockpit.engine.controls import Controls
from cockpit.engine.data.prepare import PreparedData
from cockpit.engine.errors import RunFailure, Stopped
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded
from cockpit.engine.model.lora_start import hold_still
from cockpit.engine.model.saved_files import add_to_card, finish_saved, take_weights
from cockpit.engine.rank import Ranks
from cockpit.engine.training.arguments import TENSORBOARD, arguments, may_leave_unused
from cockpit.engine.training.best_weights import BestWeights
from cockpit.engine.training.between_steps import Asides, BetweenSteps, Exam, Sampler
from cockpit.engine.training.callback import PATIENCE, EventCallback, NothingLeft
from cockpit.engine.training.filling import fill_rounds
from cockpit.engine.training.methods import make_trainer
from cockpit.engine.training.overrides import overrides
from cockpit.engine.training.resumption import Resumption
from cockpit.engine.training.room import making_room
from cockpit.engine.training.row_losses import RowLossWriter
from cockpit.engine.training.step_metrics import StepMetrics
from cockpit.engine.training.watchdogs import Watchdogs
from cockpit.protocol.events import AdapterSaved
from cockpit.recipe.checkpoints import checkpoint_plan
from cockpit.recipe.methods.method import LOSS
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schedule import steps_per_epoch, why_too_few
from cockpit.runs.checksums import write_checksums
from cockpit.runs.folder import RunDir
from cockpit.text.plain_text import plain_line

TRAINED = "default"
"""What peft calls the adapter that is trained; a method may have a copy of it beside."""


@dataclass(frozen=True)
class Trained:
    """What became of the training. `dropped`: a Stop without saving. `why`: what else ended it early, a sentence.

    `weights_of`: the step whose weights the model has now, the best one's where the recipe asks for that.
    """

    step: int
    stopped: bool
    dropped: bool
    weights_of: int
    why: str = ""
    whole: dict[str, Any] | None = None
    """On rank 0, the trained weights of which each rank has a share; None where each has them whole."""


def train(
    recipe: Recipe,
    loaded: Loaded,
    data: PreparedData,
    run: RunDir,
    journal: Journal,
    controls: Controls,
    on_step: Callable[[int], None],
    resumed: Resumption | None = None,
    sampler: Sampler | None = None,
    exam: Exam | None = None,
    watchdogs: Watchdogs | None = None,
    asides: Asides | None = None,
    ranks: Ranks | None = None,
) -> Trained:
    """Train the adapter and tell the journal, and the `watchdogs`, of each step; between two of them do what `controls`
    ask for, let the `sampler` answer the recipe's prompts, the `exam` measure answers, and `asides` answer questions.
    Raises whatever the stack raises. Of several `ranks` each is called so, with `controls` on which all agree; rank 0
    alone has a sampler, asides and watchdogs.

    A run that is `resumed` goes on with the checkpoint's weights, optimizer, schedule, random numbers and rows.
    """
    from transformers import PrinterCallback

    ranks = ranks or Ranks()
    row_losses = _row_losses(recipe, data, run, resumed, journal)
    data, rows = fill_rounds(recipe, data, ranks, journal)
    settings = arguments(recipe, loaded, data, run, journal)
    owed = resumed is not None and data.held_out is not None and resumed.owes_evaluation(recipe.training.eval_steps)
    if resumed is not None:
        settings["eval_on_start"] = owed
    if ranks.are_several:
        settings["ddp_find_unused_parameters"] = may_leave_unused(loaded)
    trainer = make_trainer(recipe, loaded, data, settings)
    if recipe.lora.has_halves and loaded.adapted and recipe.model.adapter is None:
        hold_still(trainer.model, trainer.create_optimizer())
    for sentence in overrides(recipe, settings, trainer):
        journal.log("info", sentence)
    trainer.remove_callback(PrinterCallback)
    if few := why_too_few(recipe, len(trainer.train_dataset)):
        raise RunFailure(f"{few[0].upper()}{few[1:]}.", "Give a smaller batch, or more prompts.")
    callback = EventCallback(
        journal,
        controls,
        StepMetrics(*((resumed.tokens_seen, resumed.trained_tokens) if resumed else (0, 0)), ranks),
        steps_per_epoch=steps_per_epoch(recipe, len(trainer.train_dataset)),
        on_step=on_step,
        resumed=resumed,
        keeps_last=recipe.finetuning_type == "lora",
        watchdogs=watchdogs,
        trackers=recipe.output.report_to,
        main=recipe.kind.told_main,
    )
    between = BetweenSteps(trainer, callback, journal, controls, resumed, sampler, exam, asides)
    kept = checkpoint_plan(recipe)[1]
    if row_losses is not None:
        row_losses.listen(trainer.model, gives_no_logits=loaded.backend == "unsloth")
    trainer.attach(
        run, callback, between, recipe.training, kept=kept, owes_evaluation=owed, row_losses=row_losses, ranks=ranks,
        rows=rows, figures=[one.name for one in recipe.figures if one is not LOSS],
        is_sharded=recipe.hardware.is_sharded, trains_all=recipe.finetuning_type == "full",
    )  # fmt: skip
    patience = _add_patience(trainer, recipe, resumed)
    if ranks.is_first:
        _add_tensorboard(trainer, recipe, run)
    best_weights = BestWeights(trainer, recipe.training, run.checkpoints, journal, ranks)

    best: int | None = None
    try:
        if resumed is not None and trainer.is_sharded:
            trainer.load_weights(str(resumed.checkpoint.path))
        with contextlib.suppress(NothingLeft):
            trainer.train(resume_from_checkpoint=str(resumed.checkpoint.path) if resumed else None)
        between.end()
        best = None if callback.dropped else best_weights.take()
        ended = controls.stop is None or callback.step >= trainer.state.max_steps
        if ended and data.held_out is not None and callback.evaluated_at != callback.step and best is None:
            trainer.evaluate()
    except Stopped:
        between.end()
        callback.dropped = controls.stop == "drop"
        if callback.has_compiled and not callback.dropped and callback.saved_at != callback.step:
            trainer.write_checkpoint()
        best = None if callback.dropped else best_weights.take()
    whole = None if callback.dropped else trainer.whole_weights()
    if callback.dropped or (controls.stop is not None and callback.step < trainer.state.max_steps):
        return Trained(callback.step, True, callback.dropped, best or callback.step, whole=whole)
    return Trained(callback.step, False, False, best or callback.step, _why_early(callback, trainer, patience), whole)


def _row_losses(
    recipe: Recipe, data: PreparedData, run: RunDir, resumed: Resumption | None, journal: Journal
) -> RowLossWriter | None:
    """What keeps the loss by row, where the recipe asks for that. What an earlier attempt has kept of steps that are
    taken anew is left out. Raises RunFailure."""
    try:
        if run.row_losses.exists():
            forget_after(run.row_losses, resumed.step if resumed is not None else 0)
    except OSError as error:
        why = plain_line(error.strerror or str(error))
        raise RunFailure(f"{run.row_losses.name} of the run cannot be written ({why}).", "Remove that file.") from error
    if not recipe.output.row_losses:
        return None
    if data.names is None:
        raise RunFailure("The loss by row is not kept for rows with images.", "Set output.row_losses to false.")
    return RowLossWriter(run.row_losses, data.names(), partial(journal.log, "warning"))


def _add_tensorboard(trainer: Any, recipe: Recipe, run: RunDir) -> None:
    """TensorBoard's files in the run's folder, or where the recipe says: the trainer would ask the environment."""
    from transformers.integrations import TensorBoardCallback

    if TENSORBOARD in recipe.output.report_to:
        from torch.utils.tensorboard import SummaryWriter

        folder = recipe.output.logging_dir or run.path / "tensorboard"
        trainer.add_callback(TensorBoardCallback(SummaryWriter(log_dir=str(folder))))


def _add_patience(trainer: Any, recipe: Recipe, resumed: Resumption | None) -> Any:
    """The callback that ends a run which gets no better, where the recipe asks for it."""
    from transformers import EarlyStoppingCallback

    training = recipe.training
    if training.early_stopping_patience is None:
        return None
    patience = EarlyStoppingCallback(training.early_stopping_patience, training.early_stopping_threshold)
    if resumed is not None:
        before = resumed.checkpoint.state().get("stateful_callbacks", {}).get(PATIENCE, {})
        known = before.get("attributes", {}) if isinstance(before, dict) else {}
        patience.early_stopping_patience_counter = int(known.get("early_stopping_patience_counter", 0))
    trainer.add_callback(patience)
    return patience


def _why_early(callback: EventCallback, trainer: Any, patience: Any) -> str:
    if patience is None or callback.step >= trainer.state.max_steps:
        return ""
    return f"{trainer.args.metric_for_best_model} got no better in {patience.early_stopping_patience:,} evaluations."


def save_result(loaded: Loaded, run: RunDir, journal: Journal, trained: Trained) -> None:
    """The adapter, or the whole model after full training, with tokenizer, processor and chat template, in the run's
    folder: atomically. Raises RunFailure where the folder was moved."""
    place, step = run.adapter if loaded.adapted else run.model, trained.weights_of
    journal.enter_phase("saving", f"the {place.name}")

    def write() -> None:
        with new_folder(place, run.path / f"{place.name}.partial") as partial:
            own: dict[str, Any] = {"selected_adapters": [TRAINED]} if loaded.adapted else {}
            own |= {"state_dict": trained.whole} if trained.whole is not None else {}
            loaded.model.save_pretrained(str(partial), **own)
            if trained.whole is not None and step != trained.step:
                take_weights(run.checkpoints / f"checkpoint-{step}", partial)
            (loaded.processor or loaded.tokenizer).save_pretrained(str(partial))
            finish_saved(partial)
            add_to_card(partial, loaded.card_note)
            write_checksums(partial)
            journal.check_folder()

    making_room(write, run.checkpoints, f"the {place.name}", {step}, lambda text: journal.log("warning", text))
    journal.emit(AdapterSaved(path=place.name, size_bytes=size_of(place), step=step))
