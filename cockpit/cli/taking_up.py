"""A run whose engine was lost is taken up again by the command that follows it, where its recipe says so"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.runs.checkpoint import newest_complete
from cockpit.runs.folder import modified
from cockpit.runs.job import Job, job_of
from cockpit.runs.liveness import TAKE_UP_AFTER_S
from cockpit.runs.status import MOST_TRIES, is_active
from cockpit.runs.summary import RunSummary
from cockpit.text.numbers import count, duration
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.cli.follow import Interrupts
    from cockpit.cli.report import Report
    from cockpit.launch.engines import StartedEngine
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.folder import RunDir

LOOK_EVERY_S = 0.5


def follow_through(
    started: StartedEngine, report: Report, interrupts: Interrupts | None = None, attempt: int = 1
) -> tuple[int, StartedEngine]:
    """As `follow`; a run that is lost is taken up where lifecycle.on_lost says so, and followed on.

    The exit status, and the engine that was last."""
    from cockpit.cli.follow import follow
    from cockpit.protocol.event_log import newest_attempt

    tried_at, tries = -1, 0
    while True:
        status = follow(started.link, report, started, interrupts, attempt=attempt)
        run = started.link.run
        if status != 1 or (interrupts is not None and interrupts.count) or not wants_up(run):
            return status, started
        newest, _ = newest_complete(run.checkpoints)
        step = newest.step if newest is not None else 0
        tried_at, tries = step, tries + 1 if step == tried_at else 1
        if tries > MOST_TRIES:
            report.say(f"It was lost {MOST_TRIES + 1} times with no checkpoint further, and is not taken up again.")
            return status, started
        attempt = newest_attempt(run.events) + 1
        try:
            started = take_up(run)
        except (OSError, ValueError) as error:
            report.say(f"It cannot be taken up again: {error}")
            return status, started
        where = f"after step {count(step)}" if step else "from its beginning"
        report.say(f"lifecycle.on_lost is resume: it goes on {where}, as attempt {attempt}.")


def wants_up(run: RunDir) -> bool:
    """Whether the run is lost, and its recipe says that it is to go on by itself."""
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.problem import RecipeError

    if not RunSummary.of(run).is_lost:
        return False
    try:
        return RecipeDocument.load(run.recipe).recipe().lifecycle.on_lost == "resume"
    except (RecipeError, OSError):
        return False


def take_up(run: RunDir, folder: str = "") -> StartedEngine:
    """Start an engine that goes on with a run that has ended, or is lost, as far as it was planned: from its newest
    checkpoint that loads, or from its beginning where it has none. `folder` is where functions of the user's own are
    looked for, empty for the working folder. Raises ValueError with a sentence, or OSError."""
    from cockpit.launch.engines import EngineKey, start_resuming_engine
    from cockpit.machine.gpu import GpuProbe
    from cockpit.preflight.checks import preflight
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.origin import recipe_of_run
    from cockpit.runs.resumable import ResumePoint

    report = GpuProbe().wait()
    try:
        document = recipe_of_run(run.path)
        recipe = document.recipe()
        if problems := preflight(recipe, report, document.file, document.line, resumes=True):
            raise RecipeError(problems)
    except RecipeError as error:
        raise ValueError(str(error)) from None
    if recipe.hardware.nodes > 1:
        raise ValueError(f"{recipe.hardware.nodes} machines train it, each of which must be started again.")
    from_step = None
    if newest_complete(run.checkpoints)[0] is None:
        from_step, name = 0, RunSummary.of(run).recipe_name or run.id
    else:
        point = ResumePoint.of(run, recipe)
        name = point.recipe_name
        if point.is_complete:
            raise ValueError("it is complete.")
    started = start_resuming_engine(run, EngineKey.of(recipe, report))
    started.resume(document.resolved_yaml(), name, [Path(sys.argv[0]).name, *sys.argv[1:]], from_step, folder)
    return started


def is_left_by_this_job(run: RunDir) -> bool:
    """Whether an earlier start of this very job trained the run on a machine that has failed since, so that Slurm has
    put the job back into the queue. Its engine is waited for until it has been silent for TAKE_UP_AFTER_S: a job may
    also have several nodes."""
    job, ours, identity = job_of(run), Job.of_environment(os.environ), run.identity()
    if job is None or ours is None or (job.scheduler, job.id) != (ours.scheduler, ours.id):
        return False
    if identity is None or identity.is_on_this_boot():
        return False
    name, where = plain_line(run.id), plain_line(job.node or identity.host)
    if run.silence_s() < TAKE_UP_AFTER_S:
        until = f"it goes on here once that has been silent for {duration(TAKE_UP_AFTER_S)}."
        print(f"This job has trained the run {name} on {where} before; {until}", file=sys.stderr)
    beat = modified(run.heartbeat)
    while run.silence_s() < TAKE_UP_AFTER_S and is_active(RunSummary.of(run).state):
        time.sleep(LOOK_EVERY_S)
        if modified(run.heartbeat) != beat:
            return False
    return True


def newest_of(written: Recipe, fitted: Recipe, name: str) -> RunDir | None:
    """The newest run called `name` that trains this very recipe, as written or as it is fitted to the machine. What is
    told, shown or kept beside the training may differ."""
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.folder import all_runs, id_stem
    from cockpit.runs.starting_adapter import with_starting_adapter

    wanted = [_training_of(with_starting_adapter(one)) for one in (written, fitted)]
    for run in all_runs():
        if not re.fullmatch(rf"{re.escape(id_stem(name))}-\d{{4}}-\d{{4}}(-\d+)?", run.id):
            continue
        path = run.written_recipe if run.written_recipe.exists() else run.recipe
        try:
            if _training_of(RecipeDocument.load(path).recipe()) in wanted:
                return run
        except (RecipeError, OSError):
            continue
    return None


def _training_of(recipe: Recipe) -> dict[str, object]:
    """All that says what is trained, and how, with local paths absolute."""
    from cockpit.recipe.document import RecipeDocument, resolved_yaml
    from cockpit.recipe.sharing import shared_by

    resolved = RecipeDocument.parse(resolved_yaml(recipe), "recipe").recipe()
    resolved = shared_by(resolved, "ddp")  # how GPUs share the work changes nothing of what is trained
    return resolved.model_dump(exclude={"about", "chat", "samples", "suite", "watchdogs", "lifecycle", "output"})
