"""Whether a run can resume from a checkpoint, told before any engine is started"""

from __future__ import annotations

from cockpit.recipe.recipe import Recipe
from cockpit.runs.checkpoint import checkpoints, newest_complete
from cockpit.runs.folder import RunDir
from cockpit.runs.status import is_active
from cockpit.runs.summary import RunSummary
from cockpit.text.plain_text import plain_line


def why_not_resumable(run: RunDir, before: Recipe, after: Recipe, from_step: int | None = None) -> str:
    """Why the run cannot resume from its newest complete checkpoint, or the one of `from_step`; empty where it can."""
    summary = RunSummary.of(run)
    name = plain_line(run.id)
    if is_active(summary.state):
        return f"The run {name} is still going; there is nothing to resume."
    whole, passed = newest_complete(run.checkpoints, from_step)
    if whole is None:
        known = [one.step for one in checkpoints(run.checkpoints) if not one.defect()] if from_step is not None else []
        if known:
            steps = ", ".join(f"{step:,}" for step in sorted(known))
            return f"The run {name} has no checkpoint after step {from_step:,} that loads; there are: {steps}."
        why = f" ({passed[0].rstrip('.')})" if passed else ""
        return f"The run {name} has no checkpoint to resume from{why}; start it anew."
    # A run whose end failed, as on a full disk, has its result in its last checkpoint alone.
    most = after.training.max_steps
    is_saved = summary.state in ("completed", "stopped")
    if most is not None and (whole.step > most or (whole.step == most and is_saved)):
        more = "raise it with --set training.max_steps=N"
        done = f"{whole.step:,} of {most:,} steps"
        return f"The run {name} has done {done}; {more}, or give --from STEP."
    raised = (after.training.max_steps, after.training.num_train_epochs) != (
        before.training.max_steps,
        before.training.num_train_epochs,
    )
    if summary.state == "completed" and not raised and from_step is None and whole.step >= (summary.total_steps or 0):
        more = "raise training.num_train_epochs or training.max_steps with --set"
        return f"The run {name} has completed its {whole.step:,} steps; {more}, or give --from STEP."
    return ""
