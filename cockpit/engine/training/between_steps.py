"""Between two steps: what readers have asked for is done, the recipe's prompts are answered, a pause is waited for"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from transformers import EarlyStoppingCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from cockpit.engine.controls import Controls
from cockpit.engine.journal import Journal
from cockpit.engine.training.learning_rate import ASKED_FOR
from cockpit.engine.training.resumption import Resumption
from cockpit.engine.training.schedule import Schedule
from cockpit.protocol import commands as cmd
from cockpit.protocol.events import ScheduleChange, ScheduleChanged
from cockpit.runs.schedule_changes import carried_over, told
from cockpit.text.numbers import count

if TYPE_CHECKING:
    from cockpit.engine.training.callback import EventCallback

NAMES: dict[type[cmd.Control], str] = {
    cmd.SaveCheckpoint: "a checkpoint",
    cmd.Evaluate: "an evaluation",
    cmd.Sample: "samples",
    cmd.ScaleLearningRate: "another learning rate",
    cmd.AddSteps: "more steps",
}
TOO_LATE = "The last step is done; what was trained is being saved."


class Sampler(Protocol):
    """Answers the recipe's prompts."""

    every_steps: int | None
    prompts: int

    def answer(self, step: int) -> None:
        """With the weights after `step`. Leaves the training as it was, whatever happens."""
        ...


class Exam(Protocol):
    """Answers held-out rows and prompts, and measures the answers."""

    every_steps: int | None

    @property
    def answers(self) -> int: ...

    def measure(self, step: int) -> dict[str, float] | None:
        """With the weights after `step`; None where a stop came first. Leaves the training as it was."""
        ...


class Asides(Protocol):
    """Answers questions."""

    def answer(self, asked: cmd.Chat | cmd.ChatBoth, step: int) -> None:
        """With the weights after `step`. Leaves the training as it was, whatever happens."""
        ...


class BetweenSteps(TrainerCallback):
    """Called by the trainer after each step, once that was logged, measured and saved, and before the first."""

    def __init__(
        self,
        trainer: Any,
        events: EventCallback,
        journal: Journal,
        controls: Controls,
        resumed: Resumption | None = None,
        sampler: Sampler | None = None,
        exam: Exam | None = None,
        asides: Asides | None = None,
    ) -> None:
        """`events` is told of the schedule, and asked what was saved and measured."""
        self._trainer, self._events, self._journal, self._controls = trainer, events, journal, controls
        self._resumed = resumed
        self._sampler = sampler
        self._sampled_at: int | None = resumed.step if resumed else None
        self._exam, self._asides = exam, asides
        self._measured: tuple[int, dict[str, float]] | None = None
        """The step whose answers were measured last, in this attempt."""
        self._is_over = False
        self._has_begun = False
        self._is_evaluating_as_asked = False
        self._schedule: Schedule | None = None

    # Called by the trainer

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """What earlier attempts were asked for holds, as far as the recipe has not been changed since."""
        recipe_steps, changes = state.max_steps, self.carried_over()
        self._schedule = Schedule(self._trainer, changes, step=self._events.step)
        self._events.plan = {
            "recipe_steps": recipe_steps,
            "changes": changes,
            "sample_steps": self._sampler.every_steps if self._sampler else None,
            "samples": self._sampler.prompts if self._sampler else 0,
            "answer_steps": self._exam.every_steps if self._exam else None,
            "answers": self._exam.answers if self._exam else 0,
        }
        if changes:
            words = ", then ".join(told(one, recipe_steps) for one in changes)
            self._journal.log("info", f"As this run was asked for before: {words}.")
        self._controls.examine_by(self._why_not)
        self._events.planned_rate = self._schedule.planned

    def carried_over(self) -> tuple[ScheduleChange, ...]:
        """What earlier attempts were asked for and still holds; to be asked once the recipe's steps are known."""
        plan = self._resumed.plan if self._resumed is not None else None
        return carried_over(plan, self._trainer.args.learning_rate, self._trainer.state.max_steps)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Before the first step of this attempt. Raises Stopped: nothing is lost by leaving here."""
        if not self._has_begun:
            self._has_begun = True
            self._sample_if_due()
            self._measure_answers_if_due()
            self._do_what_was_asked(is_over=False)
            self._controls.stop_if_asked()

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """A batch of the held-out rows is measured: a pause need not wait for all of them, but what is asked for then
        does."""
        controls = self._controls
        controls.agree()
        if controls.paused and not controls.has_asked and not self._is_evaluating_as_asked:
            self._events.evaluation_goes_on(self._wait())

    def step_over(self) -> None:
        """A step is over, and all that it brought with it."""
        self._step_over()
        if not self._trainer.control.should_training_stop and self._events.watchdogs is not None:
            self._events.watchdogs.step_begins()  # its rows come first, which may take a while too

    def _step_over(self) -> None:
        trainer, controls = self._trainer, self._controls
        assert self._schedule is not None
        if self._schedule.after(self._events.step):
            self._events.schedule_changed()
        if controls.stop is None:
            self._sample_if_due()
            self._measure_answers_if_due()
        was_over = self._events.step >= trainer.state.max_steps
        if trainer.control.should_training_stop and not was_over:
            return  # a stop that was asked for, or patience has run out
        self._do_what_was_asked(is_over=was_over)
        if controls.stop is not None and not trainer.control.should_training_stop:
            self._stop()
        elif was_over and self._events.step < trainer.state.max_steps:
            trainer.control.should_training_stop = self._patience_has_run_out()

    def end(self) -> None:
        """No step is left: whatever is asked for from now on comes too late, and what was left undone is named."""
        self._events.rest()
        self._is_over = True
        left = self._controls.end_training(TOO_LATE)
        if left:
            words = ", ".join(NAMES[type(one)] for one in left)
            self._journal.log("warning", f"Asked for too late, and not done: {words}.")

    # What is asked for

    def _do_what_was_asked(self, *, is_over: bool) -> None:
        controls = self._controls
        controls.agree()
        while controls.stop is None:
            for control in controls.take():
                self._do(control)
            while (question := controls.take_question()) is not None and controls.stop is None:
                self._answer(question)
            if controls.stop is not None or not controls.paused or is_over:
                return
            self._wait()

    def _answer(self, question: cmd.Chat | cmd.ChatBoth) -> None:
        if self._asides is None:
            return
        self._events.rest()
        self._journal.enter_phase("sampling", "a question")
        with undisturbed():
            self._asides.answer(question, self._events.step)

    def _do(self, control: cmd.Control) -> None:
        events = self._events
        if why_not := self._why_not(control):
            self._journal.log("warning", f"Not done: {NAMES[type(control)]}. {why_not}")
            return
        match control:
            case cmd.SaveCheckpoint() if events.step != events.newest_checkpoint:
                self._trainer.write_checkpoint()
            case cmd.Evaluate() if events.step != events.evaluated_at:
                self._evaluate()
            case cmd.SaveCheckpoint() | cmd.Evaluate():
                words = f"What was asked for, {NAMES[type(control)]}, step {count(events.step)} has brought already."
                self._journal.log("info", words)
            case cmd.Sample():
                self._sample()
            case cmd.ScaleLearningRate(factor=factor):
                self._change(control, factor=factor)
            case cmd.AddSteps(steps=steps):
                self._change(control, added_steps=steps)

    def _why_not(self, control: cmd.Control) -> str:
        """Why this cannot be done as things stand, in a sentence; also asked by the thread that takes commands."""
        assert self._schedule is not None
        events = self._events
        match control:
            case cmd.SaveCheckpoint() if not events.step:
                return "No step was taken yet, so there is nothing to save."
            case cmd.SaveCheckpoint() if self._controls.paused and events.step == events.newest_checkpoint:
                return f"The checkpoint of step {count(events.step)} is there already."
            case cmd.Evaluate() if self._trainer.eval_dataset is None:
                return "No rows are held out to measure; data.eval_rows holds some out."
            case cmd.Sample() if self._sampler is None:
                return "The recipe has no samples.prompts to answer."
            case cmd.ScaleLearningRate(factor=factor):
                return self._schedule.why_not(factor=factor)
            case cmd.AddSteps(steps=steps):
                return self._schedule.why_not(added_steps=steps)
        return ""

    def _change(self, control: cmd.Control, *, factor: float = 1.0, added_steps: int = 0) -> None:
        assert self._schedule is not None
        now = self._schedule.change(self._events.step, factor=factor, added_steps=added_steps)
        self._events.schedule_changed()
        self._journal.emit(
            ScheduleChanged(
                step=now.step,
                rate_factor=now.rate_factor,
                total_steps=now.total_steps,
                factor=factor,
                added_steps=added_steps,
                command_id=control.id,
            )
        )

    def _evaluate(self) -> None:
        """Measure the held-out rows beside those times that the recipe plans, which alone count for patience."""
        control = self._trainer.control
        ends, waited = (
            control.should_training_stop,
            [(one, one.early_stopping_patience_counter) for one in self._patience()],
        )
        self._is_evaluating_as_asked = True
        self._trainer.evaluate()
        self._is_evaluating_as_asked = False
        self._trainer.state.log_history[-1][ASKED_FOR] = 1
        control.should_training_stop = ends
        for patience, counter in waited:
            patience.early_stopping_patience_counter = counter

    def _patience(self) -> Iterator[EarlyStoppingCallback]:
        return (one for one in self._trainer.callback_handler.callbacks if isinstance(one, EarlyStoppingCallback))

    def _patience_has_run_out(self) -> bool:
        return any(one.early_stopping_patience_counter >= one.early_stopping_patience for one in self._patience())

    def _stop(self) -> None:
        """Between two steps, where the step in hand is none."""
        events = self._events
        events.dropped = self._controls.stop == "drop"
        if not events.dropped and events.saved_at != events.step:
            self._trainer.write_checkpoint()
        self._trainer.control.should_training_stop = True

    def _wait(self) -> float:
        """Wait while training is paused, until something is asked for; the seconds that it took."""
        controls, journal, since = self._controls, self._journal, time.monotonic()
        self._events.rest()
        if journal.phase != "paused":
            journal.enter_phase("paused", f"after step {self._events.step}" if self._events.step else "")
        while controls.paused and controls.stop is None and not controls.has_asked:
            controls.wait()
        return time.monotonic() - since

    # Samples

    def _sample_if_due(self) -> None:
        step, sampler = self._events.step, self._sampler
        if sampler is None or step == self._sampled_at:
            return
        every = sampler.every_steps
        if not step or (every and step % every == 0) or step == self._events.saved_at:
            self._sample()

    def _sample(self) -> None:
        assert self._sampler is not None
        self._sampled_at = self._events.step
        self._events.rest()
        self._journal.enter_phase("sampling", f"{self._sampler.prompts} prompts")
        with undisturbed():
            self._sampler.answer(self._events.step)

    # Answers

    def measured_answers(self) -> dict[str, float]:
        """What the answers of the present weights come to, for an evaluation that begins; empty where none are due with
        it. Raises Stopped."""
        if self._exam is None:
            return {}
        if self._is_due() or self._is_over or self._is_evaluating_as_asked:
            self._measure_answers()
            self._controls.agree()
            self._controls.stop_if_asked()
        step, metrics = self._measured or (None, {})
        return metrics if step == self._events.step else {}

    def _measure_answers_if_due(self) -> None:
        step = self._events.step
        was_told = self._resumed is not None and self._resumed.step == step and self._resumed.has_answers
        if self._exam is not None and self._is_due() and not was_told:
            self._measure_answers()

    def _is_due(self) -> bool:
        """Whether answers are measured after this step."""
        assert self._exam is not None
        step, every = self._events.step, self._exam.every_steps
        return not step or bool(every and step % every == 0) or step >= self._trainer.state.max_steps

    def _measure_answers(self) -> None:
        assert self._exam is not None
        step = self._events.step
        if self._measured is not None and self._measured[0] == step:
            return
        self._events.rest()
        with undisturbed():
            metrics = self._exam.measure(step)
        if metrics is not None:
            self._measured = step, metrics


@contextmanager
def undisturbed() -> Iterator[None]:
    """Training goes on with the same random numbers, whatever is drawn inside."""
    import random

    import numpy as np
    import torch

    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
