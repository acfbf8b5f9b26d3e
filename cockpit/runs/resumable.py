"""ResumePoint: from which checkpoint a run resumes, how many steps that leaves, and why it cannot"""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.protocol.commands import Unload
from cockpit.protocol.event_log import newest_event
from cockpit.recipe.recipe import Recipe
from cockpit.runs.checkpoint import checkpoints, newest_complete
from cockpit.runs.engine_lock import who_has
from cockpit.runs.folder import RunDir, modified
from cockpit.runs.link import new_command_id
from cockpit.runs.liveness import TAKE_UP_AFTER_S
from cockpit.runs.status import is_active
from cockpit.runs.summary import RunSummary
from cockpit.text.numbers import count, duration
from cockpit.text.plain_text import plain_line


class SilentEngine(ValueError):
    """The run's engine is out of sight and silent; the text is a sentence. `may_be_forced`: for so long that the run
    may be taken up all the same."""

    def __init__(self, run: RunDir, host: str) -> None:
        silence = run.silence_s()
        self.may_be_forced = silence >= TAKE_UP_AFTER_S
        what = f"The engine of the run {plain_line(run.id)}, on {plain_line(host)}, has been silent for"
        way = f"after {duration(TAKE_UP_AFTER_S)} the run may be taken up."
        if self.may_be_forced:
            way = "if it has ended, the run can resume; should it still live, it ends without saving more."
        super().__init__(f"{what} {duration(silence)}: {way}")


@dataclass(frozen=True)
class ResumePoint:
    """Found without starting an engine. `step` is that of the checkpoint, `total_steps` what is planned before any
    change, with steps that were added (None: its rows decide, and no attempt has counted them); `passed` has a sentence
    for each newer checkpoint that does not load. `is_saved`: the run has saved its result; if not, it may resume for
    that alone.
    """

    run_id: str
    recipe_name: str
    before: Recipe
    step: int
    total_steps: int | None
    passed: tuple[str, ...]
    is_saved: bool
    is_complete: bool

    @classmethod
    def of(cls, run: RunDir, before: Recipe, from_step: int | None = None, *, force: bool = False) -> ResumePoint:
        """The newest complete checkpoint of the run, or the one after `from_step`; `before` is the run's own recipe.
        `force`: also where its engine has been silent for minutes.

        Raises SilentEngine where that would be needed or is too early, and ValueError with a sentence where the run
        cannot resume.
        """
        summary = RunSummary.of(run)
        name = plain_line(run.id)
        identity = run.identity()
        if identity is not None and run.liveness() == "silent":
            silent = SilentEngine(run, identity.host)
            if not (force and silent.may_be_forced):
                raise silent
        elif is_active(summary.state):
            raise ValueError(f"The run {name} is still going; there is nothing to resume.")
        if wrong := run.why_linked():
            raise ValueError(wrong)
        found, passed = newest_complete(run.checkpoints, from_step)
        if found is None:
            raise ValueError(f"The run {name} has {_none_there(run, passed, from_step)}")
        return cls(
            run_id=run.id,
            recipe_name=summary.recipe_name or run.id,
            before=before,
            step=found.step,
            # Steps may have been added on the way.
            total_steps=max(before.training.max_steps or 0, summary.total_steps or 0) or None,
            passed=tuple(passed),
            # A run whose end failed, as on a full disk, has its result in its last checkpoint alone.
            is_saved=summary.outcome in ("completed", "stopped"),
            is_complete=summary.outcome == "completed",
        )

    @property
    def least_steps(self) -> int:
        """The fewest steps in all that can be asked for."""
        return self.step + self.is_saved

    def why_not_steps(self, total: int) -> str:
        """Why the run cannot have `total` steps in all, in a sentence; empty where it can."""
        return f"{count(self.step)} steps are done; give more." if total < self.least_steps else ""

    def why_not(self, after: Recipe) -> str:
        """Why the run cannot resume with `after` as its recipe, which asks for no more than is done; else empty."""
        total = self._total_of(after)
        return self.why_not_steps(total) if total is not None else ""

    def _total_of(self, after: Recipe) -> int | None:
        """The steps in all that `after` asks for; None where nobody can know before its rows are counted."""
        now, was = after.training, self.before.training
        if now.max_steps is not None and now.max_steps != was.max_steps:
            return now.max_steps
        if now.max_steps is not None:
            return self.total_steps
        is_same = (now.max_steps, now.num_train_epochs) == (was.max_steps, was.num_train_epochs)
        # Of a run that ended early, an attempt that never came to count its rows may have raised the epochs.
        return self.total_steps if is_same and self.is_complete else None


def let_chat_go(run: RunDir) -> bool:
    """Ask an engine that only answers chats, and so holds the folder and the memory, to go. Whether there is one.

    Raises ValueError with a sentence where the engine is there to train, OSError where it cannot be asked.
    """
    if run.liveness() != "alive":
        return False
    identity, newest = run.identity(), newest_event(run.events)
    # Its file tells to the moment when it was named; the start of a process is known to a second alone.
    named_at = modified(run.engine_json) or 0.0
    has_just_begun = identity is not None and newest is not None and newest.at < max(identity.started, named_at)
    if has_just_begun or is_active(RunSummary.of(run).state):  # it was started after the run was looked at
        raise ValueError(who_has(run.path))
    run.send(Unload(id=new_command_id(), pid=identity.pid if identity is not None else None))
    return True


def _none_there(run: RunDir, passed: list[str], from_step: int | None) -> str:
    known = [one.step for one in checkpoints(run.checkpoints) if not one.defect()] if from_step is not None else []
    if from_step is not None and known:
        steps = ", ".join(map(count, sorted(known)))
        return f"no checkpoint after step {count(from_step)} that loads; there are: {steps}."
    why = f" ({passed[0].rstrip('.')})" if passed else ""
    return f"no checkpoint to resume from{why}; start it anew."
