"""RunState.apply(event): all that a screen shows of a run, derived from events alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import cast

from cockpit.protocol import events as ev
from cockpit.runs.columns import raw_values
from cockpit.runs.machine_use import MachineUse
from cockpit.runs.pace import Pace
from cockpit.runs.schedule_changes import changed_plan
from cockpit.runs.steps import Steps
from cockpit.runs.table import Table

MACHINE_READINGS = 600
STEPPING: frozenset[ev.Phase] = frozenset(
    ("compiling", "training", "evaluating", "sampling", "answering", "saving", "paused")
)
"""Phases of a training that takes steps, or is about to."""


@dataclass
class Reply:
    """A reply as it stands."""

    command_id: str
    prompt: str
    adapter: bool
    text: str = ""
    """The answer alone."""
    thinking: str = ""
    tokens: int = 0
    """Drawn so far; 0 where the engine does not say."""
    began_at: float = 0.0
    grown_at: float = 0.0
    """Unix time in seconds, of its beginning and of its newest text."""
    ended: ev.ReplyEnded | None = None
    made_wait: bool = False
    """Whether a training waited for it."""
    both: str = ""
    """What it has in common with the other of two that were asked at the same time; empty where it was alone."""

    @property
    def took_s(self) -> float:
        """Wall time in seconds, so far or in all."""
        return self.ended.duration_s if self.ended else max(0.0, self.grown_at - self.began_at)

    @property
    def tokens_per_s(self) -> float | None:
        """The prompt's time with it; None while nothing can be told."""
        tokens = self.ended.new_tokens if self.ended else self.tokens
        return tokens / self.took_s if tokens and self.took_s > 0 else None


@dataclass
class RunState:
    """A run as its events tell it. None stands for what is not known yet."""

    attempt: int = 1
    engine: ev.EngineStarted | None = None
    phase: ev.PhaseStarted | None = None
    phase_s: dict[str, float] = field(default_factory=dict)
    """Seconds spent in each phase of this attempt that ended before it did; one that comes again adds up."""
    progress: ev.PhaseProgressed | None = None
    progress_began: ev.PhaseProgressed | None = None
    """The first progress of the present phase, which its pace is counted from."""
    run: ev.RunStarted | None = None
    data: ev.DataPrepared | None = None
    plan: ev.TrainingPlanned | None = None
    """With all that was asked for on the way."""
    main: ev.MainFigure = ev.LOSS
    """What it is judged by."""
    steps: Steps = field(default_factory=Steps)
    evaluations: list[ev.Evaluated] = field(default_factory=list)
    held_out: Table = field(default_factory=Table)
    """What the evaluations have measured, by step: a chart's points."""
    samples: list[ev.SampleAnswered] = field(default_factory=list)
    """Ascending in step, then in the prompt's index; those that a resume went back behind are replaced."""
    completions: list[ev.CompletionScored] = field(default_factory=list)
    """Of what was drawn to be learnt from, some of it, ascending in step."""
    answers_given: list[ev.AnswerJudged] = field(default_factory=list)
    """As the samples: ascending in step, those that a resume went back behind are replaced."""
    answers_measured: Table = field(default_factory=Table)
    """What the answers have come to, by step: a chart's points."""
    checkpoints: list[ev.CheckpointSaved] = field(default_factory=list)
    tracking: dict[str, str] = field(default_factory=dict)
    """Links to where else its figures are seen, by tracker."""
    adapter: ev.AdapterSaved | None = None
    pause_requested: bool = False
    """Whether training is to wait after its step; it does once its phase is `paused`."""
    pace: Pace = field(default_factory=Pace)
    alarms: dict[str, ev.WatchdogFired] = field(default_factory=dict)
    """The watchdogs that have fired in this attempt and were not cleared, by name, the oldest first."""
    stop_requested: ev.StopRequested | None = None
    """What the present attempt was last asked to end with; None once it has ended."""
    ended: ev.RunEnded | None = None
    unloaded: ev.ModelUnloaded | None = None
    exited: ev.EngineExited | None = None
    machine: deque[ev.MachineRead] = field(default_factory=lambda: deque(maxlen=MACHINE_READINGS))
    """The last readings of the attempt, the newest last; those after its end are a chat's, and left out."""
    machine_use: MachineUse = field(default_factory=MachineUse)
    """Of the present attempt."""
    replies: dict[str, Reply] = field(default_factory=dict)
    answers: dict[str, ev.CommandAnswered] = field(default_factory=dict)
    _elapsed_before_s: float = 0.0
    _earlier_adapter: ev.AdapterSaved | None = None
    """What an attempt before the present one has saved."""

    def take(self, events: Iterable[ev.AnyEvent]) -> None:
        """Take events in. It is much quicker than to apply each, where many steps follow each other."""
        for kind, alike in groupby(events, type):
            if kind is ev.StepEnded:
                self.steps.extend(cast("list[ev.StepEnded]", list(alike)))
                self.pace.step_over()
            else:
                for event in alike:
                    self.apply(event)

    def apply(self, event: ev.AnyEvent) -> None:
        """Take one event in. Events of one log come in their order."""
        match event:
            case ev.StepEnded():
                self.steps.append(event)
                self.pace.step_over()
            case ev.MachineRead():
                if self.ended is None or event.at <= self.ended.at:
                    self.machine.append(event)
                    self.machine_use.take(event)
            case ev.EngineStarted():
                if event.attempt > self.attempt:
                    self._begin_attempt(event.attempt)
                self.engine, self.phase, self.progress, self.progress_began = event, None, None, None
                self.stop_requested, self.pause_requested = None, False
                self.unloaded = self.exited = None
            case ev.PhaseStarted():
                if self.phase is not None and (self.ended is None or self.phase.at < self.ended.at):
                    spent = self.phase_s.get(self.phase.phase, 0.0) + max(0.0, event.at - self.phase.at)
                    self.phase_s[self.phase.phase] = spent
                    self.pace.phase_over(self.phase, event.at)
                if event.phase == "paused":
                    self.pause_requested = False
                self.phase, self.progress, self.progress_began = event, None, None
            case ev.PhaseProgressed():
                self.progress = event
                self.progress_began = self.progress_began or event
            case ev.RunStarted():
                self.run, self.ended = event, None
            case ev.TrainingResumed():
                self._go_on_after(event)
            case ev.DataPrepared():
                self.data = event
            case ev.TrainingPlanned():
                self.plan, self.main = event, event.main
            case ev.ScheduleChanged():
                self.plan = changed_plan(self.plan, event) if self.plan else None
            case ev.Evaluated():
                while self.evaluations and self.evaluations[-1].step >= event.step:
                    self.evaluations.pop()
                self.evaluations.append(event)
                _put(self.held_out, event)
            case ev.CompletionScored():
                self.completions.append(event)
            case ev.SampleAnswered():
                self._add_sample(event)
            case ev.AnswerJudged():
                while self.answers_given and _order(self.answers_given[-1]) >= _order(event):
                    self.answers_given.pop()
                self.answers_given.append(event)
            case ev.AnswersMeasured():
                _put(self.answers_measured, event)
            case ev.CheckpointSaved():
                self.checkpoints.append(event)
            case ev.TrackingStarted():
                self.tracking[event.tracker] = event.link
            case ev.AdapterSaved():
                self.adapter = event
            case ev.CommandAnswered():
                self.answers[event.command_id] = event
                if event.accepted and event.command in ("Pause", "Unpause"):
                    self.pause_requested = event.command == "Pause"
            case ev.WatchdogFired():
                self.alarms[event.watchdog] = event
            case ev.WatchdogCleared():
                self.alarms.pop(event.watchdog, None)
            case ev.StopRequested():
                self.stop_requested = event
            case ev.RunEnded():
                self.ended, self.stop_requested, self.pause_requested = event, None, False
                if event.memory is not None and self.machine and len(self.machine[-1].gpus) == 1:
                    self.machine_use.ran_out(self.machine[-1].gpus[0].uuid, event.memory)
            case ev.ModelUnloaded():
                self.unloaded = event
            case ev.EngineExited():
                self.exited = event
            case ev.ReplyStarted():
                self.replies[event.command_id] = Reply(
                    event.command_id,
                    event.prompt,
                    event.adapter,
                    began_at=event.at,
                    grown_at=event.at,
                    made_wait=self.is_stepping,
                    both=event.both,
                )
            case ev.ReplyGrew():
                if reply := self.replies.get(event.command_id):
                    reply.text += event.text
                    reply.thinking += event.thinking
                    reply.tokens, reply.grown_at = max(reply.tokens, event.tokens), event.at
            case ev.ReplyEnded():
                if reply := self.replies.get(event.command_id):
                    reply.ended = event

    def is_answered(self, command_id: str) -> bool:
        """Whether nothing more comes of what was asked: its reply is whole, or it was refused."""
        reply, answer = self.replies.get(command_id), self.answers.get(command_id)
        return (reply is not None and reply.ended is not None) or (answer is not None and not answer.accepted)

    def newest_replies(self) -> list[Reply]:
        """The last reply; both where it was asked for together with another."""
        newest = next(reversed(self.replies.values()), None)
        if newest is None or not newest.both:
            return [] if newest is None else [newest]
        return [reply for reply in self.replies.values() if reply.both == newest.both]

    def _begin_attempt(self, attempt: int) -> None:
        """The run is taken up again: it has not ended after all, and its time resumes from what it had.

        Its phases come anew, and how many steps there will be and at what pace is not known yet.
        """
        self._elapsed_before_s = self.elapsed_s or 0.0
        self.attempt, self.run, self.ended, self.plan = attempt, None, None, None
        self.phase_s, self.alarms, self.machine_use = {}, {}, MachineUse()
        self.pace.attempt_begins(self.steps.pace(), self.steps.stretch())
        self.steps.begin_attempt()

    def _add_sample(self, event: ev.SampleAnswered) -> None:
        """One that is asked again at the same step replaces the first."""
        while self.samples and (self.samples[-1].step, self.samples[-1].index) >= (event.step, event.index):
            self.samples.pop()
        self.samples.append(event)

    def _go_on_after(self, event: ev.TrainingResumed) -> None:
        self._earlier_adapter = self.adapter
        self.steps.go_on_after(event.step)
        self.evaluations = [known for known in self.evaluations if known.step <= event.step]
        self.held_out.cut(self.held_out.step.row_from(event.step + 1))
        self.answers_measured.cut(self.answers_measured.step.row_from(event.step + 1))
        self.answers_given = [known for known in self.answers_given if known.step <= event.step]
        self.checkpoints = [known for known in self.checkpoints if known.step <= event.step]
        self.samples = [known for known in self.samples if known.step <= event.step]
        self.completions = [known for known in self.completions if known.step <= event.step]

    @property
    def step(self) -> int:
        """The last finished step, 0 before the first."""
        return self.steps.newest_step

    @property
    def total_steps(self) -> int | None:
        """How many steps are planned."""
        return self.plan.total_steps if self.plan else None

    @property
    def is_paused(self) -> bool:
        """Whether training waits, as was asked for."""
        return self.phase is not None and self.phase.phase == "paused" and self.ended is None

    @property
    def kept_evaluation(self) -> ev.Evaluated | None:
        """The evaluation of the weights that were saved as the result; before they are, the newest one."""
        newest = self.evaluations[-1] if self.evaluations else None
        saved = self.adapter
        if newest is None or saved is None or saved is self._earlier_adapter:
            return newest
        if saved.step is None or saved.step >= newest.step:
            return newest
        return next((known for known in self.evaluations if known.step == saved.step), None)

    @property
    def held_out_course(self) -> list[tuple[int, float]]:
        """Step and value of the main figure of the held-out rows, each time that they were measured."""
        known = ((one.step, one.figures.get(f"eval_{self.main.name}")) for one in self.evaluations)
        return [(step, value) for step, value in known if value is not None]

    @property
    def before_and_after(self) -> tuple[float, float] | None:
        """The main figure of the held-out rows as it was first, and by the weights that were saved; None where they
        were not measured twice."""
        first, kept = next(iter(self.evaluations), None), self.kept_evaluation
        if first is None or kept is None or first is kept:
            return None
        was, now = (one.figures.get(f"eval_{self.main.name}") for one in (first, kept))
        return None if was is None or now is None else (was, now)

    def progress_pace(self) -> tuple[float, float] | None:
        """Units a second of the present phase, and seconds until it is done; None while nobody can know."""
        first, last = self.progress_began, self.progress
        if first is None or last is None or last.total is None or last.done <= first.done or last.at <= first.at:
            return None
        pace = (last.done - first.done) / (last.at - first.at)
        return pace, (last.total - last.done) / pace

    @property
    def can_chat(self) -> bool:
        """Whether the engine holds a model that answers."""
        return self.phase is not None and self.phase.phase == "ready" and self.unloaded is None and self.exited is None

    @property
    def is_stepping(self) -> bool:
        """Whether a training takes steps, between which a question can be answered."""
        lives = self.ended is None and self.exited is None
        return self.phase is not None and self.phase.phase in STEPPING and lives

    @property
    def made_wait_s(self) -> float:
        """Seconds that training has waited for replies to questions that are whole."""
        return sum(reply.took_s for reply in self.replies.values() if reply.made_wait and reply.ended)

    @property
    def elapsed_s(self) -> float | None:
        """Seconds from RunStarted to the newest thing known, those of earlier attempts among them."""
        if self.run is None:
            return self._elapsed_before_s or None
        if self.ended:
            return self._elapsed_before_s + self.ended.at - self.run.at
        newest = [*self.steps.at.raw(len(self.steps) - 1, len(self.steps))]
        newest += [self.machine[-1].at] if self.machine else []
        return self._elapsed_before_s + max(0.0, max(newest) - self.run.at) if newest else None

    def eta(self) -> tuple[float, float] | None:
        """Seconds of training left, and how much that may be off; see Pace. A pause is not counted, nor how long it may
        still take. None until two steps after the first are done, here or in an attempt before."""
        if self.plan is None or self.ended is not None:
            return None
        evaluation_s = self.evaluations[-1].duration_s if self.evaluations else None
        return self.pace.left_s(self.plan, self.step, self.steps.pace(), self.steps.stretch(), evaluation_s)

    def samples_per_s(self) -> float | None:
        """Rows a second over the same steps, by the share of the epoch that they were; None where nobody can know."""
        rows, epochs = self.data.train_rows if self.data else 0, self.steps.per_second("epoch")
        return epochs * rows if rows and epochs is not None else None

    def tokens_per_s(self) -> float | None:
        """Tokens a second without padding, over the last PACE_STEPS steps, the first step left out."""
        return self.steps.per_second("tokens_seen")


def _put(table: Table, event: ev.Evaluated | ev.AnswersMeasured) -> None:
    """What was measured again at a step replaces what was."""
    table.cut(table.step.row_from(event.step))
    table.add([event.step], {name: raw_values([value]) for name, value in event.metrics.items()})


def _order(event: ev.AnswerJudged) -> tuple[int, int, int]:
    return event.step, ("rows", "learned", "kept").index(event.half), event.index
