"""WatchLink: a run that cockpit did not start, as the events that its trainer's files amount to"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cockpit.protocol import events as ev
from cockpit.protocol.commands import AnyCommand
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import Liveness
from cockpit.text.plain_text import plain_line
from cockpit.watching.entries import Entry
from cockpit.watching.found import Found, find, size_of, written_at
from cockpit.watching.plain_log import PlainLog
from cockpit.watching.trainer_state import TrainerState
from cockpit.watching.wandb_file import WandbFile

LOOK_EVERY_S = 2.0
SILENT_AFTER_S, SILENT_STEPS = 120.0, 10
"""Nothing was written for so long, and for longer than so many of the usual times between two entries."""
LOG_LINES_AT_ONCE = 200
LEAST_EPOCH = 0.05
"""Before so much of the first epoch, steps and epochs are not compared: some trainers round the epoch."""


class WatchLink:
    """Reads what the trainer writes, and writes nothing. It has no way to ask the trainer for anything."""

    def __init__(self, place: Path) -> None:
        """A folder, or one file. Raises LookupError with a sentence where it holds nothing of a trainer."""
        self.place = place
        self.run = RunDir(place)
        found = find(place)
        if not found.paths:
            raise LookupError(
                f"{plain_line(str(place))} holds nothing that a trainer has written: no trainer_state.json, no event "
                "file of TensorBoard, no run of W&B, no log with lines like {'loss': ...}."
            )
        self._begin(found)

    def _begin(self, found: Found) -> None:
        self._found = found
        self._looked_at = time.monotonic()
        self._state: TrainerState | None = None
        self._states_read: dict[Path, float] = {}
        self._newest: Entry | None = None
        self._before: Entry | None = None
        """The entry of another step before it."""
        self._saved: list[ev.AnyEvent] = []
        """Checkpoints, which are told once what was logged before them is."""
        self._total = 0
        self._has_begun = self._has_ended = self._said_counted = False
        self._is_behind = True
        self._between_s = 0.0
        """From one entry to the next, lately."""

    @property
    def is_behind(self) -> bool:
        """Whether the last poll has probably left more behind, which can be read at once."""
        return self._is_behind

    @property
    def counts_entries(self) -> bool:
        """Whether the trainer does not tell its steps, so that what it has logged is counted in their place."""
        return isinstance(self._found.source, PlainLog) and self._found.source.counts_entries

    def facts(self) -> list[tuple[str, str]]:
        """(label, text) of what is known of it, all plain."""
        settings = self._found.source.settings if self._found.source is not None else {}
        known = {"batch": settings.get("per_device_train_batch_size"), "model": settings.get("_name_or_path")}
        if known["batch"] is None and self._state is not None:
            known["batch"] = self._state.train_batch_size
        accumulation = settings.get("gradient_accumulation_steps")
        times = f", {accumulation} times a step" if isinstance(accumulation, int) and accumulation > 1 else ""
        source = self._found.source
        where = source.paths[-1] if source is not None else self._found.states[-1]
        kind = source.kind if source is not None else "trainer_state.json"
        steps = "not told: its entries are counted" if self.counts_entries else ""
        facts = (
            ("model", known["model"]),
            ("batch", f"{known['batch']} rows{times}" if known["batch"] is not None else None),
            ("optimizer", settings.get("optim")),
            ("schedule", settings.get("lr_scheduler_type")),
            ("steps", steps),
            ("read from", f"{kind}, {where}"),
        )
        return [(label, plain_line(str(text))) for label, text in facts if text]

    def poll(self) -> list[ev.AnyEvent]:
        """What has been written since the last call, as events."""
        if not self._is_behind and time.monotonic() - self._looked_at > LOOK_EVERY_S:
            self._looked_at = time.monotonic()
            self._look_again()
        told: list[ev.AnyEvent] = [*self._of_states()]
        source, log = self._found.source, self._found.log
        if source is not None:
            for entry in source.read():
                told += self._of_entry(entry)
        if log is not None:
            log.read()
        told += self._of_lines()
        self._is_behind = any(one.is_behind for one in (source, log) if one is not None)
        if not self._is_behind:
            told += [*self._saved, *self._of_end()]
            self._saved = []
        return told

    def send(self, command: AnyCommand) -> None:
        """A run that others have started takes no commands. Raises OSError."""
        raise OSError("This run was not started by cockpit; it takes no commands.")

    def silence_s(self) -> float:
        """Seconds since anything was written."""
        return max(0.0, time.time() - max(map(written_at, self._found.paths), default=0.0))

    def liveness(self) -> Liveness:
        """`exited` once its files tell an end; `silent` where nothing was written for longer than is usual."""
        if self._has_ended:
            return "exited"
        usual_s = max(SILENT_AFTER_S, SILENT_STEPS * self._between_s)
        return "silent" if not self._is_behind and self.silence_s() > usual_s else "alive"

    def close(self) -> None:
        """Let the files go; a later poll begins anew."""
        for one in (self._found.source, self._found.log):
            if one is not None:
                one.close()
        self._begin(find(self.place))

    def _look_again(self) -> None:
        """A run may have begun to log to another file, or a newer one have come beside it."""
        found = find(self.place)
        if self._found.source is None or (
            found.source is not None and found.source.paths[-1] != self._found.source.paths[-1]
        ):
            self.close()
        else:
            self._found.states = found.states

    # What it amounts to

    def _of_states(self) -> Iterator[ev.AnyEvent]:
        for path in self._found.states:
            at = written_at(path)
            if self._states_read.get(path) == at or (state := TrainerState.read(path)) is None:
                continue
            self._states_read[path] = at
            if self._state is None or state.step >= self._state.step:
                self._state = state
            if self._found.source is None:
                for entry in state.entries:
                    yield from self._of_entry(replace(entry, at=at))
            is_checkpoint = path.parent.name == f"checkpoint-{state.step}"
            if is_checkpoint and (size := size_of(path.parent)) is not None:
                where = str(path.parent.relative_to(self.place)) if self.place in path.parents else str(path.parent)
                self._saved.append(ev.CheckpointSaved(step=state.step, path=where, size_bytes=size, at=at))
            yield from self._of_plan(at)

    def _of_plan(self, at: float) -> Iterator[ev.AnyEvent]:
        """Where it has become known how many steps there will be, or more than were."""
        total = self._total_steps()
        if not total or total == self._total:
            return
        self._total = total
        epochs = self._state.epochs if self._state is not None else 0.0
        yield ev.TrainingPlanned(
            total_steps=total,
            steps_per_epoch=total / epochs if epochs else 0.0,
            trainable_parameters=0,
            total_parameters=0,
            at=at,
        )

    def _total_steps(self) -> int:
        if self._state is not None and self._state.max_steps:
            return self._state.max_steps
        source = self._found.source
        log = self._found.log or source
        if isinstance(log, PlainLog) and log.total_steps:
            return log.total_steps
        settings = source.settings if source is not None else {}
        most, epochs, newest = settings.get("max_steps"), settings.get("num_train_epochs"), self._newest
        if isinstance(most, int) and most > 0:
            return most
        if isinstance(epochs, int | float) and newest is not None and newest.step and (newest.epoch or 0) > LEAST_EPOCH:
            return round(newest.step / (newest.epoch or 1) * epochs)
        return 0

    def _of_entry(self, entry: Entry) -> Iterator[ev.AnyEvent]:
        at = entry.at or self._written_at()
        goes_on = self._has_ended and self._newest is not None and entry.step != self._newest.step
        if not self._has_begun or goes_on:
            self._has_begun, self._has_ended = True, False
            yield ev.RunStarted(
                run_id=self.run.id, recipe_name="", command=[], versions={}, gpus=[], driver="", data_sha256={}, at=at
            )
            yield ev.PhaseStarted(phase="training", at=at)
        step = entry.step or 0
        if entry.kind == "evaluation":
            yield ev.Evaluated(step=step, metrics=entry.metrics, duration_s=entry.runtime_s, at=at)
        elif entry.kind == "end":
            if not self._has_ended:
                yield from self._ended(step, at)
        else:
            if self._newest is not None and self._newest.step == step:  # what was logged of one step in several parts
                entry = replace(self._newest, metrics=self._newest.metrics | entry.metrics)
            else:
                self._before = self._newest
            self._newest = entry
            yield from self._of_plan(at)
            yield ev.StepEnded(
                step=step,
                total_steps=self._total,
                epoch=entry.epoch,
                step_time_s=self._step_time_s(entry),
                metrics=entry.metrics,
                at=entry.at or at,
            )

    def _step_time_s(self, entry: Entry) -> float | None:
        """By the times of two entries where they have some, else as the trainer's own bar says."""
        before = self._before
        if self.counts_entries:
            return None
        if before is None or entry.at is None or before.at is None or self._found.source is None:
            return entry.step_time_s
        steps, took_s = (entry.step or 0) - (before.step or 0), entry.at - before.at
        self._between_s = max(0.0, took_s)
        return took_s / steps if steps > 0 and took_s >= 0 else None

    def _written_at(self) -> float:
        return max(map(written_at, self._found.paths), default=0.0)

    def _of_lines(self) -> Iterator[ev.AnyEvent]:
        log = self._found.log or self._found.source
        if self.counts_entries and not self._said_counted:
            self._said_counted = True
            text = "Its log tells no steps: what it has logged is counted in their place, and steps are not known."
            yield ev.LogWritten(level="warning", text=text, at=self._written_at())
        if isinstance(log, PlainLog):
            at = written_at(log.paths[-1])
            for line in log.lines[-LOG_LINES_AT_ONCE:]:
                yield ev.LogWritten(level="info", text=line, at=at)
            log.lines.clear()

    def _of_end(self) -> Iterator[ev.AnyEvent]:
        if self._has_ended:
            return
        source, log, newest = self._found.source, self._found.log or self._found.source, self._newest
        step, at = (newest.step or 0) if newest is not None else 0, self._written_at()
        state = self._state
        if isinstance(log, PlainLog) and log.raised:
            yield from self._ended(step, written_at(log.paths[-1]), log.raised)
        elif isinstance(source, WandbFile) and source.exit_code is not None:
            bad = f"Its process ended with exit status {source.exit_code}, as W&B says." if source.exit_code else ""
            yield from self._ended(step, at, bad)
        elif source is None and state is not None and 0 < state.max_steps <= state.step:
            yield from self._ended(step, written_at(state.path))

    def _ended(self, step: int, at: float, why: str = "") -> Iterator[ev.AnyEvent]:
        self._has_ended = True
        yield ev.RunEnded(outcome="failed" if why else "completed", step=step, reason=why, at=at)
