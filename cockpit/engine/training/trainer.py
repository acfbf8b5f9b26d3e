"""RunTrainer: a trainer of TRL or transformers whose steps are measured and whose checkpoints are complete"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch

from cockpit.disk import new_folder, size_of
from cockpit.engine.compat.private_names import TrainerHooks, Whole, follows_evaluations, logged_figures
from cockpit.engine.errors import classify_error, is_out_of_memory
from cockpit.engine.model import shards
from cockpit.engine.rank import Ranks
from cockpit.engine.training.best_weights import best_checkpoint, recall_best
from cockpit.engine.training.filling import fill_order, filling_tokens
from cockpit.engine.training.learning_rate import refuse_without_room, take_up_schedule
from cockpit.engine.training.memory import BATCH
from cockpit.engine.training.rank_saving import RankSaving
from cockpit.engine.training.room import making_room
from cockpit.engine.training.row_order import in_fixed_order
from cockpit.engine.training.step_metrics import StepMetrics, batch_shape, token_counts
from cockpit.runs.checkpoint import STATE, checkpoints
from cockpit.runs.checksums import write_checksums

if TYPE_CHECKING:
    from cockpit.engine.training.between_steps import BetweenSteps
    from cockpit.engine.training.callback import EventCallback
    from cockpit.engine.training.row_losses import RowLossWriter
    from cockpit.recipe.training import Training
    from cockpit.runs.folder import RunDir


class RunTrainer(TrainerHooks):
    """Goes before SFTTrainer, Trainer or another of TRL's trainers among a class's bases: see `run_trainer`."""

    step_metrics: StepMetrics
    events: EventCallback
    between: BetweenSteps
    run: RunDir
    training: Training
    kept: int | None
    owes_evaluation: bool
    row_losses: RowLossWriter | None = None
    ranks: Ranks = Ranks()
    trains_all: bool = False
    rows: tuple[int | None, int | None] = (None, None)
    _measured: list[tuple[float, int]]
    figures: Sequence[str] = ()
    drawn: dict[str, torch.Tensor]
    """What a step has learnt from, where that is no batch before it has begun."""
    _answers: Mapping[str, float] = MappingProxyType({})

    def attach(
        self,
        run: RunDir,
        events: EventCallback,
        between: BetweenSteps,
        training: Training,
        *,
        kept: int | None,
        owes_evaluation: bool = False,
        row_losses: RowLossWriter | None = None,
        ranks: Ranks | None = None,
        rows: tuple[int | None, int | None] = (None, None),
        figures: Sequence[str] = (),
        is_sharded: bool = False,
        trains_all: bool = False,
    ) -> None:
        """Train as `run`; call before `train`. `kept` checkpoints stay beside the best one, None for all.

        `owes_evaluation`: the first evaluation is owed to the step that the run resumes from. The trainer takes it for
        one before any training, which is compared with no other and moves no schedule. `figures`: what is told of each
        step beside loss and tokens, by the names that TRL logs.

        `is_sharded`: each of the ranks has a share of the weights. `trains_all`: there is no adapter.

        `rows`: how many of the rows teach, and are measured, where more stand in the datasets to fill the last round of
        several `ranks`; None where none do.
        """
        self.run, self.events, self.step_metrics, self.training = run, events, events.step_metrics, training
        self.between, self.figures = between, figures
        self.kept, self.owes_evaluation = kept, owes_evaluation
        self.ranks, self.rows = ranks or Ranks(), rows
        self.is_sharded, self.trains_all = is_sharded, trains_all
        if row_losses is not None:
            self.row_losses = row_losses
            self.add_callback(row_losses)
        self.add_callback(between)  # before the events: what it knows of the plan is told with it
        self.add_callback(events)

    # What is measured

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """The batches of a step; how long they are waited for is taken down."""
        with self.step_metrics.times.data():
            return super().get_batch_samples(*args, **kwargs)

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """One micro-step; its loss and tokens are taken down."""
        counts, shape = None, torch.Size()
        if isinstance(inputs, dict):  # before the step, which may empty `inputs`
            counts, shape = token_counts(inputs), batch_shape(inputs)
            if self.ranks.are_several and "labels" in inputs:
                counts[0] -= filling_tokens(inputs)
        if self.row_losses is not None:
            self.row_losses.take_batch(inputs)
        known = logged_figures(self)
        before = {name: len(known.get(name, ())) for name in self.figures}
        try:
            with self.step_metrics.times.model():
                loss: torch.Tensor = super().training_step(model, inputs, *args, **kwargs)
        except Exception as error:
            if is_out_of_memory(error):
                setattr(error, BATCH, tuple(shape))
            raise
        if counts is None:
            counts, shape = token_counts(self.drawn), batch_shape(self.drawn)
        self.step_metrics.add(loss, counts)
        known = logged_figures(self)
        self.step_metrics.add_figures({name: known[name][at:] for name, at in before.items() if name in known})
        self.step_metrics.batch_tokens += shape.numel()
        return loss

    def gradient_measured(self, norm: Any) -> None:
        """The gradient of a whole step, of all ranks' shares together."""
        norm = shards.whole(norm, keep=True)
        if norm is not None:
            self.step_metrics.gradient = norm.detach() if isinstance(norm, torch.Tensor) else norm

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Measure the held-out rows. No callback is told that this begins."""
        self._answers = self.between.measured_answers()
        self.events.evaluation_begins()
        # Its data loader draws a seed: the training must go on with the same random numbers with it and without it.
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices):
            measured = super().evaluate(*args, **kwargs)
        if self.owes_evaluation:
            self.owes_evaluation = False
            recall_best(self.args, self.state)
            if follows_evaluations(self.lr_scheduler):
                self.lr_scheduler.step(measured[self.args.metric_for_best_model])
        return measured

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """What was measured of answers counts like the loss: for the best checkpoint, patience and schedules."""
        self._measured = []
        # A batch's loss is the mean over its own tokens here, not over those of all ranks.
        average = self.args.average_tokens_across_devices
        self.args.average_tokens_across_devices = average and not self.ranks.are_several
        try:
            measured = super().evaluation_loop(*args, **kwargs)
        finally:
            self.args.average_tokens_across_devices = average
        if self.rows[1] is not None:
            parts = [sum(loss * rows for loss, rows in self._measured), sum(rows for _, rows in self._measured)]
            losses, rows = self.ranks.sum(parts)
            measured.metrics["eval_loss"] = losses / rows
        measured.metrics.update(self._answers)
        return measured

    def prediction_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """A batch of held-out rows; its loss counts for as many as it has of them, without those that fill."""
        found = super().prediction_step(model, inputs, *args, **kwargs)
        if self.rows[1] is not None:
            size, batch = self.args.per_device_eval_batch_size, len(self._measured) * self.ranks.world
            left = self.rows[1] - size * (batch + self.ranks.rank.index)
            rows = max(0, min(size, left))
            self._measured.append((float(found[0]) if rows else 0.0, rows))
        return found

    def step_over(self) -> None:
        """The step was logged, measured and saved."""
        self.between.step_over()

    # The learning rate

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The recipe's schedule for so many steps. Raises RunFailure where they are too few for it."""
        refuse_without_room(self.training, num_training_steps)
        return super().create_scheduler(num_training_steps, optimizer)

    def load_schedule(self, saved: dict[str, Any]) -> None:
        """The recipe's schedule, after the step of the checkpoint whose schedule was `saved`."""
        take_up_schedule(self, saved, self.between.carried_over())

    # What is trained on

    def train_sampler(self, sampler: Any) -> Any:
        """Groups by length come in an order that depends on seed and epoch alone; with several ranks it is that of one
        which takes as many rows a step."""
        rows, total = self.rows[0], len(self.train_dataset)
        if rows is None:
            return in_fixed_order(sampler, self.args.seed)
        rounds = total // (self.args.per_device_train_batch_size * self.ranks.world)
        steps = -(-rounds // self.args.gradient_accumulation_steps)
        order = in_fixed_order(sampler, self.args.seed, self.ranks.world, rows)
        return fill_order(order, rows, total, lambda: self.state.global_step // steps)

    # What is kept

    def write_checkpoint(self, whole: Whole | None = None) -> None:
        """Write the state after this step: atomically, so that each checkpoint is complete. One that fails ends no run.

        Raises what torch raises where memory runs out.
        """
        folder, partial = self.run.checkpoints, self.run.checkpoints / ".partial"
        place = folder / f"checkpoint-{self.state.global_step}"
        self.events.checkpoint_begins()
        saving = RankSaving(self.ranks)
        if not self.ranks.is_first:
            self._follow(saving, place, partial / place.name)
            return
        self.args.output_dir = str(partial)

        def write() -> None:
            shutil.rmtree(partial, ignore_errors=True)
            with new_folder(place, partial / place.name) as written:
                saving.write(written, self._write_state)
                self._name_best(written)
                write_checksums(written)
                self.events.check_folder()

        try:
            # The best that is on the disk: the trainer names the step in hand before it is saved.
            best = best_checkpoint(self, folder)
            keep = {int(best.name.rpartition("-")[2])} if best is not None else set[int]()
            making_room(write, folder, place.name, keep, self.events.warn)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            self.events.checkpoint_failed(classify_error(error, None, self.events.step).reason)
            self._name_best()
            saving.end(stands=False)
            return
        finally:
            self.args.output_dir = str(folder)
            shutil.rmtree(partial, ignore_errors=True)
        self.events.checkpoint_saved(str(place.relative_to(self.run.path)), size_of(place))
        self._remove_old()
        saving.end(stands=True)

    def load_optimizer(self, saved: dict[str, Any]) -> None:
        """Each rank takes its share."""
        shards.load_optimizer(self.optimizer, saved)

    def whole_weights(self) -> dict[str, Any] | None:
        """What is saved of sharded weights, on rank 0; every rank takes part. None where each rank has them whole."""
        if not self.is_sharded:
            return None
        return shards.whole_weights(self.model, keep=self.ranks.is_first, all_of_them=self.trains_all)

    def load_best(self) -> None:
        """Sharded weights stay as they are: the best ones are taken from their checkpoint when they are saved."""
        if not self.is_sharded:
            super().load_best()

    def _gather(self) -> Whole | None:
        """As `whole_weights`, with what the optimizer remembers."""
        weights = self.whole_weights()
        if weights is None:
            return None
        return Whole(weights, shards.whole_optimizer(self.optimizer, keep=self.ranks.is_first))

    def _write_state(self) -> None:
        whole, best = self._gather(), self.state.best_global_step
        if self.ranks.are_several:
            # With a best step transformers waits for all ranks here, which do not come where one cannot write.
            self.state.best_global_step = None
        try:
            super().write_checkpoint(whole)
        finally:
            self.state.best_global_step = best

    def _follow(self, saving: RankSaving, place: Path, written: Path) -> None:
        """On ranks that are not the first: add to what that one writes."""

        def write() -> None:
            self._gather()
            self.write_random_state(str(written))

        if saving.follow(write):
            self.events.checkpoint_saved(str(place.relative_to(self.run.path)), 0)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """None: it would lie beside the checkpoints."""

    def _name_best(self, written: Path | None = None) -> None:
        """The trainer has looked for the best checkpoint beside the partial one, `written`; it stands, or will, in the
        run's folder. One that could not be saved is none: the older one is kept in its place."""
        if self.state.best_global_step:
            step = None if written is None else self.state.global_step
            best = best_checkpoint(self, self.run.checkpoints, step)
            self.state.best_model_checkpoint = None if best is None else str(best)
            if written is not None:
                self.state.save_to_json(str(written / STATE))

    def _remove_old(self) -> None:
        best = self.state.best_model_checkpoint
        for old in checkpoints(self.run.checkpoints)[self.kept :] if self.kept else []:
            if str(old.path) != best:
                shutil.rmtree(old.path, ignore_errors=True)


@functools.cache
def run_trainer(base: type) -> type[Any]:
    """`base`, a class of TRL or transformers or what Unsloth makes of it, as the trainer of a run."""
    return type(f"Run{base.__name__}", (RunTrainer, base), {})
