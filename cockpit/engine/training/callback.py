"""TrainerCallback -> events, translation only"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from cockpit.engine.controls import Controls
from cockpit.engine.errors import RunFailure, Stopped
from cockpit.engine.journal import Journal
from cockpit.engine.training.best_weights import recall_best
from cockpit.engine.training.learning_rate import told_change
from cockpit.engine.training.resumption import Resumption
from cockpit.engine.training.step_metrics import StepMetrics
from cockpit.engine.training.tracking import links
from cockpit.engine.training.watchdogs import Watchdogs
from cockpit.protocol.events import (
    LOSS,
    CheckpointSaved,
    CompletionScored,
    Evaluated,
    MainFigure,
    Phase,
    StepEnded,
    TrackingStarted,
    TrainingPlanned,
    TrainingResumed,
)
from cockpit.recipe.scheduler import FOLLOWS_EVALUATIONS
from cockpit.runs.checkpoint import archive_later
from cockpit.text.numbers import count, finite

PROGRESS_EVERY_S = 0.2
LONG_STEPS = 200
"""From so many steps on it is said that none of them is kept before the end, where that is so."""
PATIENCE = "EarlyStoppingCallback"
"""What the trainer calls the callback of early stopping in its state."""
NO_MEASURES = ("_runtime", "_per_second", "_num_tokens", "_model_preparation_time")
"""Endings of what an evaluation reports beside what it has measured."""


class NothingLeft(Exception):
    """The checkpoint that a run resumes from is that of its last step: its weights are the result."""


FIRST_SAVING_S = 5.0
"""Taken for a checkpoint before one has been written."""
SAVING_MARGINS = 1.5


class EventCallback(TrainerCallback):
    """Tells the journal what the trainer does, and the trainer what readers have asked for."""

    def __init__(
        self,
        journal: Journal,
        controls: Controls,
        step_metrics: StepMetrics,
        *,
        steps_per_epoch: float,
        on_step: Callable[[int], None] = lambda step: None,
        resumed: Resumption | None = None,
        keeps_last: bool = False,
        watchdogs: Watchdogs | None = None,
        trackers: Sequence[str] = (),
        main: MainFigure = LOSS,
    ) -> None:
        """`on_step` is called with each finished step, after its event. `resumed`: what the run resumes from.
        `keeps_last`: the state after the last step becomes a checkpoint too. `trackers`: the recipe's report_to.
        `main`: what its method is judged by."""
        self._journal = journal
        self.controls = controls
        self.step_metrics = step_metrics
        self._steps_per_epoch = steps_per_epoch
        self._on_step = on_step
        self._resumed = resumed
        self._keeps_last, self._trackers, self._main = keeps_last, trackers, main
        self.watchdogs = watchdogs
        self._has_compiled = False
        self._learning_rate: float | None = None
        self._since = time.monotonic()
        self._measured = 0
        self._measuring_since = self._since
        self._progressed_at = 0.0
        self._not_finite: set[str] = set()
        self.step = resumed.step if resumed else 0
        """The last finished step."""
        self.saved_at: int | None = None
        """The step after which the last checkpoint was saved."""
        self.evaluated_at: int | None = None
        """The step after which the held-out rows were last measured."""
        self.dropped = False
        """Whether a step was dropped because that was asked for."""
        self._usual_s, self._saving_s, self._saving_since = 0.0, FIRST_SAVING_S, self._since
        """How long a step takes, lately, and a checkpoint; since when one is written."""
        self.plan: dict[str, Any] = {}
        """Fields of TrainingPlanned that others know: set before training begins."""
        self.planned_rate: Callable[[int], float | None] = lambda step: None
        """The learning rate that is planned for a step; None where nobody knows. Set before training begins."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The plan is fixed."""
        if self._resumed is not None:
            # The checkpoint holds the recipe's steps as they were; they may have been changed since.
            state.compute_steps(args, state.max_steps)
            # Patience may be new to the run; of a callback that the checkpoint did not know nothing could be saved.
            state.stateful_callbacks.setdefault(PATIENCE, {})
            recall_best(args, state)  # what it is compared by may be new to the run too
            checkpoint = self._resumed.checkpoint.path
            archive_later(checkpoint.parent, self._resumed.step, self._journal.attempt)
            path = f"{checkpoint.parent.name}/{checkpoint.name}"
            self._journal.emit(TrainingResumed(step=self._resumed.step, path=path))
        state.num_train_epochs = math.ceil(state.max_steps / self._steps_per_epoch)  # the trainer's are without end
        model = kwargs["model"]
        sizes = [(_size(weight), weight.requires_grad) for weight in model.parameters()]
        self._journal.emit(
            TrainingPlanned(
                total_steps=state.max_steps,
                steps_per_epoch=self._steps_per_epoch,
                trainable_parameters=sum(size for size, trained in sizes if trained),
                total_parameters=sum(size for size, _ in sizes),
                main=self._main,
                learning_rate=args.learning_rate,
                eval_steps=state.eval_steps if args.eval_strategy == "steps" else None,
                save_steps=state.save_steps if args.save_strategy == "steps" else None,
                saves_last=self._keeps_last or args.save_strategy == "steps",
                **self.plan,
            )
        )
        held = sum(one.to_local().numel() for one in model.parameters() if hasattr(one, "to_local"))
        if held:
            self._journal.log("info", f"Each process has a share of the weights: this one {count(held)} of them.")
        for tracker, link in links(self._trackers, Path(args.output_dir).parent.name if self._trackers else ""):
            self._journal.emit(TrackingStarted(tracker=tracker, link=link))
        if args.save_strategy == "no" and state.max_steps >= LONG_STEPS:
            self._journal.log(
                "info",
                "No checkpoint is written before the end, so that a run which is killed begins anew; "
                "output.save_steps=100 writes one every 100 steps.",
            )

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The trainer would take a step before it asks whether there is one. Raises NothingLeft."""
        over = self.step >= state.max_steps or control.should_training_stop
        if over and self._resumed is not None and self.step == self._resumed.step:
            raise NothingLeft

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The first step compiles; after an evaluation or a checkpoint it is training again."""
        phase: Phase = "training" if self._has_compiled else "compiling"
        if self._journal.phase != phase:
            self._journal.enter_phase(phase, "" if self._has_compiled else "the first step")
            self._since = time.monotonic() - self.step_metrics.times.data_s  # the step's batches are there already
        if self.watchdogs is not None:
            self.watchdogs.step_begins()

    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Between micro-steps: the one place where a step can be dropped."""
        self.controls.agree()
        if self.controls.stop == "drop":
            self.step_metrics.drop()
            self.dropped = True
            control.should_training_stop = True
        elif self.controls.stop == "save" and self._has_compiled:
            took_s = time.monotonic() - self._since
            left_s = max(0.0, self._usual_s - took_s) + SAVING_MARGINS * self._saving_s
            if not self.controls.has_time_for(left_s):
                self.step_metrics.drop()
                self._journal.log("warning", "The step in hand is left, as there is no time to finish it and to save.")
                raise Stopped

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The schedule moves on before the step ends, so the step's own learning rate is read here."""
        optimizer, before = kwargs.get("optimizer"), self._learning_rate
        if optimizer is None:
            return
        self._learning_rate = now = float(optimizer.param_groups[0]["lr"])
        if before is not None and before != now and args.lr_scheduler_type in FOLLOWS_EVALUATIONS:
            self._journal.log("info", told_change(before, now, str(args.metric_for_best_model)))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """A step is over."""
        figures = self.step_metrics.take()  # waits for the device, so that the time is the step's own
        now = time.monotonic()
        data_s, forward_backward_s = self.step_metrics.times.take()
        batch_tokens, self.step_metrics.batch_tokens = self.step_metrics.batch_tokens, 0
        if self._learning_rate is not None:
            figures["learning_rate"] = self._learning_rate
        metrics = {name: finite(value) for name, value in figures.items()}
        self.step = state.global_step
        self._journal.emit(
            StepEnded(
                step=self.step,
                total_steps=state.max_steps,
                epoch=float(state.epoch or 0.0),
                step_time_s=now - self._since,
                data_s=data_s,
                forward_backward_s=forward_backward_s,
                batch_tokens=batch_tokens,
                metrics=metrics,
            )
        )
        took_s, self._since = now - self._since, now
        self._usual_s = took_s if not self._has_compiled else max(took_s, 0.8 * self._usual_s)
        self._tell_not_finite(metrics)
        if self.watchdogs is not None:
            self.watchdogs.step_ended(self.step, figures, took_s, self.planned_rate(self.step))
        self._on_step(self.step)
        is_first, self._has_compiled = not self._has_compiled, True
        self.controls.agree()
        if self.controls.stop is not None:
            control.should_training_stop = True
            control.should_evaluate = False
            self.dropped = self.controls.stop == "drop"
            control.should_save = not self.dropped
        elif self.step >= state.max_steps:
            control.should_save = control.should_save or self._keeps_last
        elif is_first:
            self._journal.enter_phase("training")

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """A batch of the held-out rows is measured. Raises Stopped: nothing is lost by leaving an evaluation."""
        now = time.monotonic()
        self._measured += 1
        if now - self._progressed_at > PROGRESS_EVERY_S:
            self._progressed_at = now
            loader = kwargs.get("eval_dataloader")
            total = len(loader) if loader is not None else None
            self._journal.progress("evaluating", self._measured, total, "batches")
        if self.controls.stop is not None:
            raise Stopped

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """The held-out rows are measured."""
        now = time.monotonic()
        measured = {
            name: float(value)
            for name, value in kwargs["metrics"].items()
            # TRL gives None for what was no number in any batch, as the spread of a single reward.
            if name.startswith("eval_") and not name.endswith(NO_MEASURES) and value is not None
        }
        metrics = {name: finite(value) for name, value in measured.items()}
        wanted = args.metric_for_best_model
        if wanted is not None and wanted not in measured:
            raise RunFailure(
                f"An evaluation gives no {wanted}, only: {', '.join(measured)}.",
                "Give one of these as training.metric_for_best_model.",
            )
        if "eval_reward" in metrics:
            # Where rewards are learnt the loss is next to 0 by its making: it says nothing of the held-out rows.
            metrics.pop("eval_loss", None)
        self.evaluated_at = state.global_step
        self._journal.emit(Evaluated(step=state.global_step, duration_s=now - self._measuring_since, metrics=metrics))
        self._tell_not_finite(metrics)
        if self.watchdogs is not None:
            self.watchdogs.evaluated(state.global_step, measured.get("eval_loss"))

    def completions_drawn(self, scored: Iterable[CompletionScored]) -> None:
        """Some of what was drawn to be learnt from, with its rewards."""
        for one in scored:
            self._journal.emit(one)

    def schedule_changed(self) -> None:
        """As it was asked for: a rate that is another one now is not the schedule's doing."""
        self._learning_rate = None

    def evaluation_goes_on(self, paused_s: float) -> None:
        """The held-out rows are measured further, after a pause of so many seconds."""
        self._measuring_since += paused_s
        self._journal.enter_phase("evaluating")

    @property
    def newest_checkpoint(self) -> int | None:
        """The step after which the checkpoint was saved that a resume would begin with."""
        return self._resumed.step if self.saved_at is None and self._resumed is not None else self.saved_at

    @property
    def has_compiled(self) -> bool:
        """Whether a step was finished in this attempt."""
        return self._has_compiled

    def evaluation_begins(self) -> None:
        """The held-out rows are about to be measured."""
        self.rest()
        self._measuring_since, self._measured = time.monotonic(), 0
        self._journal.enter_phase("evaluating")

    def checkpoint_begins(self) -> None:
        """A checkpoint is about to be written."""
        self.rest()
        self.check_folder()
        self._saving_since = time.monotonic()
        self._journal.enter_phase("saving", f"checkpoint {self.step}")

    def rest(self) -> None:
        """Something else than a step is under way."""
        if self.watchdogs is not None:
            self.watchdogs.step_rests()

    def check_folder(self) -> None:
        """Raises RunFailure where the run's folder is another engine's, or gone."""
        self._journal.check_folder()

    def warn(self, sentence: str) -> None:
        """Something that the person should know."""
        self._journal.log("warning", sentence)

    def checkpoint_failed(self, why: str) -> None:
        """It could not be written, for the reason of the sentence `why`."""
        self._journal.log("warning", f"Checkpoint {self.step} could not be saved: {why} The run goes on without it.")

    def checkpoint_saved(self, path: str, size_bytes: int) -> None:
        """A checkpoint stands whole at `path`, relative to the run folder."""
        self.saved_at = self.step
        self._saving_s = time.monotonic() - self._saving_since
        if self.watchdogs is not None:
            self.watchdogs.checkpoint_saved(size_bytes)
        self._journal.emit(CheckpointSaved(step=self.step, path=path, size_bytes=size_bytes))

    def _tell_not_finite(self, metrics: dict[str, float | None]) -> None:
        """Say of each figure when it stops being a finite number, and when it is one again."""
        for name, value in metrics.items():
            if value is None and name not in self._not_finite:
                self._not_finite.add(name)
                self._journal.log("warning", f"{name} is not a finite number after step {self.step}.")
            elif value is not None and name in self._not_finite:
                self._not_finite.remove(name)
                self._journal.log("info", f"{name} is a finite number again after step {self.step}.")


def _size(weight: Any) -> int:
    """Numbers in a weight, those of a packed 4-bit one included."""
    shape = getattr(getattr(weight, "quant_state", None), "shape", None)
    if shape is None:
        return int(weight.numel())
    size = 1
    for length in shape:
        size *= int(length)
    return size
