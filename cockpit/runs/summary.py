"""A run in one line, read from the two ends of its log, so that a long run costs no more than a short one."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from cockpit.protocol import events as ev
from cockpit.protocol.values import LATEST
from cockpit.runs.folder import RunDir
from cockpit.runs.log_ends import LogEnds
from cockpit.runs.state import RunState
from cockpit.runs.status import State, is_active
from cockpit.text.plain_text import plain_line

COURSE = 40
PLANNED = ev.TrainingPlanned | ev.ScheduleChanged | ev.StepEnded
"""Events that tell how many steps there will be."""


@dataclass(frozen=True)
class RunSummary:
    """What a list of runs shows. None: not known yet; NaN: a figure that is not a finite number.

    `started_at` is when the first attempt was asked for, Unix time in seconds; `attempts` counts it and each time that
    the run was resumed. `value` is the newest of its `main` figure, `course` the last few, and `held_out` what it is of
    the held-out rows: by the weights that were saved as the result, before that the newest. `damage` says what is wrong
    with the log, in a sentence; empty where nothing is.
    """

    run: RunDir
    recipe_name: str
    state: State
    step: int
    total_steps: int | None
    loss: float | None
    eval_loss: float | None
    main: ev.MainFigure
    value: float | None
    held_out: float | None
    course: tuple[float, ...]
    started_at: float
    attempts: int
    outcome: ev.Outcome | None = None
    """How the newest attempt ended, as far as its log can be read."""
    relaunches: tuple[ev.Relaunch, ...] = ()
    """Ways to launch it again, where it ran out of memory."""
    damage: str = ""
    rank_lost: bool = False
    """Whether it has failed as one of several ranks was killed, or has ended without a word."""

    @property
    def is_lost(self) -> bool:
        """Whether nobody has ended it: its engine is gone, or one of several ranks was."""
        return self.state == "lost" or (self.state == "failed" and self.rank_lost)

    @property
    def is_revived(self) -> bool:
        """Whether it was lost, and has an engine again that has written nothing yet."""
        return self.state == "lost" and _state_without_end(self.run) != "lost"

    @classmethod
    def of(cls, run: RunDir) -> RunSummary:
        """Read the run's log at both ends. A run whose log cannot be read is `starting`."""
        ends = LogEnds()
        ends.read(run.events)
        return cls._of(run, ends)

    @classmethod
    def _of(cls, run: RunDir, ends: LogEnds) -> RunSummary:
        found, damage = ends.events, ends.damage
        run_state = RunState()
        run_state.take(found)
        started = [event for event in found if isinstance(event, ev.RunStarted)]
        attempts = max((event.attempt for event in found), default=1)
        ended = run_state.ended
        if ended and ended.attempt < attempts:
            ended = None
        planned = next((event for event in reversed(found) if isinstance(event, PLANNED)), None)
        measured = run_state.kept_evaluation
        steps, main = run_state.steps, run_state.main
        course = tuple(value for value in steps.recent(main.name, COURSE) if value is not None)
        figures = measured.figures if measured else {}
        state = ended.outcome if ended else _state_without_end(run)
        return cls(
            run=run,
            recipe_name=started[-1].recipe_name if started else "",
            state="damaged" if damage and state != "running" else state,
            step=run_state.step,
            total_steps=planned.total_steps if planned else None,
            loss=steps.latest("loss"),
            eval_loss=figures.get("eval_loss"),
            main=main,
            value=course[-1] if course else None,
            held_out=figures.get(f"eval_{main.name}"),
            course=course,
            started_at=started[0].at if started else _modified(run.recipe),
            attempts=attempts,
            outcome=ended.outcome if ended else None,
            relaunches=ended.relaunches if ended else (),
            damage=_sentence(damage),
            rank_lost=ended is not None and ended.rank_lost,
        )


def rank(value: float | None, main: ev.MainFigure) -> tuple[bool, str, float]:
    """A key to sort runs by, the best first: those judged by the loss, then by others; what is not known is last."""
    if value is None or not isfinite(value):
        return True, "", 0.0
    return False, "" if main == ev.LOSS else main.label, -value if main.rises else value


class Summaries:
    """Summaries of runs that are looked at again and again: of a log only what is new is read, and of a run that has
    ended, and whose log stays as it is, nothing. One that was lost may have an engine again."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[LogEnds, RunSummary]] = {}

    def of(self, run: RunDir) -> RunSummary:
        """As RunSummary.of."""
        ends, known = self._known.get(run.path, (LogEnds(), None))
        if ends.read(run.events) or known is None or is_active(known.state) or known.is_revived:
            known = RunSummary._of(run, ends)
            self._known[run.path] = (ends, known)
        return known


def _state_without_end(run: RunDir) -> State:
    liveness = run.liveness()
    return "running" if liveness == "alive" else "lost" if liveness == "exited" else liveness


def _sentence(damage: list[str]) -> str:
    if not damage:
        return ""
    lines = "a line that no engine writes" if len(damage) == 1 else f"{len(damage)} lines that no engine writes"
    return f"Its events.jsonl holds {lines} ({plain_line(damage[0])}); what is known of the run may be wrong."


def _modified(path: Path) -> float:
    try:
        return min(max(0.0, path.stat().st_mtime), LATEST)
    except OSError:
        return 0.0
