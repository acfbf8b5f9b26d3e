"""Watchdogs: the rules are asked as a run goes on, each sign is told once, and done about it what the recipe says"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from cockpit.engine.controls import Controls
from cockpit.engine.journal import Journal
from cockpit.engine.training import method_rules
from cockpit.engine.training import watchdog_rules as rules
from cockpit.protocol.commands import Pause
from cockpit.protocol.events import GpuReading, StopRequested, WatchdogCleared, WatchdogFired
from cockpit.recipe.watchdogs import Watchdogs as Actions
from cockpit.runs.folder import RunDir

LOOK_AT_DISK_EVERY_S = 30.0
CLEARS_AFTER = {"steps": 32, "evaluations": 1, "readings": 10}
"""Looks in a row at which a rule finds nothing before its sign counts as gone."""


class Words(NamedTuple):
    """The rule in plain words, and what may help."""

    rule: str
    advice: str


WORDS: dict[str, Words] = {
    "loss_nan": Words(
        "The loss of a step is not a finite number.",
        "Lower training.learning_rate, add warm-up steps, or set model.dtype to bfloat16; resume from a checkpoint.",
    ),
    "loss_zero": Words(
        f"The loss is 0 in {rules.IN_A_ROW} steps in a row.",
        "Look at the data screen: the rows may have no answer to learn, or one that the prompt holds already.",
    ),
    "loss_diverging": Words(
        f"The median of the last {rules.AT_ONCE} losses is {rules.DIVERGES} times the lowest such median, and beyond "
        f"{rules.OUTLIER:.0f} times the noise.",
        "Lower the learning rate (lr=0.5), or stop and resume from an earlier checkpoint with a lower one.",
    ),
    "gradient_zero": Words(
        f"The gradient is 0 in {rules.IN_A_ROW} steps in a row.",
        "No weight changes: look at lora.target_modules, and whether the rows have anything to learn.",
    ),
    "gradient_spike": Words(
        f"The gradient's norm is over {rules.SPIKE:.0f} times its median, beyond {rules.OUTLIER:.0f} times its noise.",
        "One alone is shortened by training.max_grad_norm; where they come often, lower the learning rate.",
    ),
    "overfitting": Words(
        f"The held-out loss is over {rules.RISES} times its lowest in two evaluations in a row, while training falls.",
        "Stop here, or train for fewer epochs; load_best_model_at_end keeps the best weights.",
    ),
    "nothing_trained": Words(
        f"No token has a loss in {rules.IN_A_ROW} steps in a row.",
        "Look at the data screen: every token of these rows is masked, or their answers are cut off by max_length.",
    ),
    "learning_rate_still": Words(
        f"The rate is the same for {rules.STILL_STEPS} steps in which the plan moves.",
        "Steps may be skipped for gradients that are not finite, as float16 has them: set model.dtype to bfloat16.",
    ),
    "margin_still": Words(
        f"After {method_rules.PATIENCE} steps the margin of the rewards is above 0 by no more than its noise.",
        "Raise training.learning_rate or lower beta; look at the data screen whether pairs are swapped or alike.",
    ),
    "kl_far": Words(
        f"The KL divergence is over {method_rules.LEAST_KL} and {method_rules.KL_TIMES:.0f} times what is usual.",
        "Lower training.learning_rate, or raise beta, which holds the model to where it began.",
    ),
    "reward_collapsed": Words(
        "The reward has lost over half of what it had gained, beyond its noise.",
        "Resume from an earlier checkpoint with a lower training.learning_rate; raise grpo.beta.",
    ),
    "length_growing": Words(
        f"Completions are over {method_rules.GROWN:.0f} times as long as at the beginning, and over half are cut off.",
        "Add a reward of the length, set grpo.mask_truncated_completions, or raise grpo.max_completion_length.",
    ),
    "throughput_fallen": Words(
        f"Tokens a second over {rules.BLOCK_S:.0f} s and more are below half of what they usually are.",
        "Something else may use the GPU, the processor or the disk, or the GPU slows down as it is too hot.",
    ),
    "stalled": Words(
        f"A step takes over {rules.STALLS_AFTER_S:.0f} s and {rules.STALLS:.0f} times the longest of the last ones.",
        "A data loader or a GPU may hang: see engine.log; a stop that is not heeded needs the engine's end.",
    ),
    "vram_nearly_full": Words(
        f"Over {100 * rules.VRAM_SHARE:.0f} % of a GPU's memory is used in {rules.READINGS} readings in a row.",
        "A longer row may not fit: halve per_device_train_batch_size and double gradient_accumulation_steps.",
    ),
    "disk_nearly_full": Words(
        "The disk has no room for two more checkpoints.",
        "Make room, or lower output.save_total_limit; a checkpoint that does not fit costs itself and no more.",
    ),
}


class Watchdogs:
    """Told of steps and evaluations by the thread that trains, of readings and of the time by the engine's main one."""

    def __init__(
        self, actions: Actions, run: RunDir, journal: Journal, controls: Controls, unwatched: Collection[str] = ()
    ) -> None:
        """`unwatched`: those whose signs mean nothing for the run's method."""
        self._unwatched = unwatched
        self._actions, self._run, self._journal, self._controls = actions, run, journal, controls
        self._lock = threading.RLock()
        self.course = rules.Course(watched=method_rules.WATCHED)
        self.stopped_by: WatchdogFired | None = None
        """The one that has stopped the run."""
        self._active: dict[str, int] = {}
        """Those that have fired, and at how many looks in a row since then there was nothing."""
        self._looked_at_disk = float("-inf")
        self._step_since: float | None = None

    # Told by the thread that trains

    def step_begins(self) -> None:
        """A step is under way from now on; `step_rests` where it is not."""
        if self._step_since is None:
            self._step_since = time.monotonic()

    def step_rests(self) -> None:
        """Something else than a step is under way: an evaluation, a checkpoint, a pause."""
        self._step_since = None

    def step_ended(self, step: int, figures: Mapping[str, float], took_s: float, planned: float | None) -> None:
        """A step has ended; NaN in `figures` is what is not finite."""
        self._step_since = time.monotonic()
        with self._lock:
            self.course.add_step(step, figures, took_s, planned)
            self._ask(rules.AFTER_STEP | method_rules.AFTER_STEP, CLEARS_AFTER["steps"])
            self._judge("stalled", "", 1)

    def evaluated(self, step: int, loss: float | None) -> None:
        """The held-out rows were measured."""
        if loss is None:
            return
        with self._lock:
            self.course.add_evaluation(step, loss)
            self._ask(rules.AFTER_EVALUATION, CLEARS_AFTER["evaluations"])

    def checkpoint_saved(self, size_bytes: int) -> None:
        """So large is a checkpoint."""
        self.course.checkpoint_bytes = max(self.course.checkpoint_bytes, size_bytes)
        self._looked_at_disk = float("-inf")

    # Told by the engine's main thread

    def machine_read(self, gpus: list[GpuReading]) -> None:
        """The machine was read, about once a second; looks at disk and clock besides."""
        with self._lock:
            for gpu in gpus:
                if gpu.vram_used_mib is not None and gpu.vram_total_mib:
                    self.course.add_vram(f"GPU {gpu.index}", gpu.vram_used_mib / gpu.vram_total_mib)
            self._look_at_disk()
            self._ask(rules.AFTER_READING, CLEARS_AFTER["readings"])
            if (since := self._step_since) is not None:
                waited, course = time.monotonic() - since, self.course
                if found := rules.stalled(waited, course.step_times, course.first_step_s):
                    self._judge("stalled", found, 1)

    def _look_at_disk(self) -> None:
        now = time.monotonic()
        if now - self._looked_at_disk < LOOK_AT_DISK_EVERY_S:
            return
        self._looked_at_disk = now
        try:
            self.course.disk_free = shutil.disk_usage(self._run.path).free
        except OSError:
            self.course.disk_free = None

    # What is done

    def _ask(self, asked: Mapping[str, Callable[[rules.Course], str]], clears_after: int) -> None:
        for name, rule in asked.items():
            if self._action(name) != "off":
                self._judge(name, rule(self.course), clears_after)

    def _action(self, name: str) -> str:
        return "off" if name in self._unwatched else str(getattr(self._actions, name))

    def _judge(self, name: str, found: str, clears_after: int) -> None:
        """Tell of a sign when it comes, and when it has gone."""
        if found and name not in self._active and self._action(name) != "off":
            self._active[name] = 0
            self._fire(name, found)
        elif found and name in self._active:
            self._active[name] = 0
        elif name in self._active:
            self._active[name] += 1
            if self._active[name] >= clears_after:
                del self._active[name]
                self._journal.emit(WatchdogCleared(watchdog=name, step=self.course.step))

    def _fire(self, name: str, found: str) -> None:
        action = self._action(name)
        told = WatchdogFired(
            watchdog=name,
            step=self.course.step,
            action=action,  # type: ignore[arg-type]
            finding=found,
            rule=WORDS[name].rule,
            advice=WORDS[name].advice,
        )
        self._journal.emit(told)
        if action == "pause":
            self._controls.ask(Pause(id=""))
        elif action == "stop" and self._controls.stop is None:
            self.stopped_by = told
            is_worth_saving = name != "loss_nan"
            self._controls.ask_stop(save=is_worth_saving)
            self._journal.emit(StopRequested(save=is_worth_saving))
