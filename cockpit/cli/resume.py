"""cockpit resume: go on with a run from its newest checkpoint, as a new attempt in the same folder and log."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end
from cockpit.cli.meeting import NodeRank, Nodes, Rdzv, join, meeting_of
from cockpit.cli.moved_base import MovedBase, settle_base
from cockpit.cli.trust import TrustRemoteCode, settle_trust
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.launch.engines import EngineKey
    from cockpit.launch.meeting import Meeting
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.folder import RunDir
    from cockpit.runs.resumable import ResumePoint

UNLOADS_S = 30.0
"""How long an engine that only chats is waited for."""


def resume(
    run: Annotated[str, typer.Argument(help="A run's id, a unique beginning of one, or last.")],
    from_step: Annotated[
        int | None, typer.Option("--from", metavar="STEP", min=1, help="Resume from the checkpoint after this step.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a field, such as training.max_steps=500; repeatable."),
    ] = None,
    gpus: Annotated[
        str | None,
        typer.Option("--gpus", metavar="N", help="Go on with so many GPUs, and as many rows a step as before; or all."),
    ] = None,
    nodes: Nodes = None,
    node_rank: NodeRank = None,
    rdzv: Rdzv = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run's events as JSON lines.")] = False,
    detach: Annotated[bool, typer.Option(help="Print the run's id and leave it running.")] = False,
    model: MovedBase = None,
    trust_remote_code: TrustRemoteCode = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also where its engine, on another machine, has been silent for minutes.")
    ] = False,
) -> None:
    """Go on with a run that was stopped, has failed or was lost, or train a completed one for longer.

    It resumes from the newest checkpoint that loads, with optimizer, schedule, random numbers and rows as they were.
    Full fine-tuning leaves checkpoints where output.save_steps is given, and when it is stopped.
    Exit status: 0 completed, 1 failed or nothing to resume from, 2 a setting is wrong, 130 stopped.
    """
    from cockpit.runs.folder import find_run

    try:
        found = find_run(run)
    except LookupError as error:
        end(str(error), 2)
    settle_trust(found, trust_remote_code)
    base = settle_base(model, found)
    meeting = meeting_of(nodes, node_rank, rdzv)
    document, key, before = _checked(found, settings or [], base, gpus, meeting)
    point = _point(found, before, document.recipe(), from_step, meeting, force=force)
    if meeting is not None and not meeting.is_first:
        raise typer.Exit(join(meeting, key, detach=detach))
    assert point is not None

    from cockpit.cli.follow import interrupts_counted, tell_ways_on
    from cockpit.cli.report import report_for
    from cockpit.cli.taking_up import follow_through
    from cockpit.cli.train import end_engine
    from cockpit.launch.engines import start_resuming_engine
    from cockpit.protocol.event_log import newest_attempt
    from cockpit.runs.job import Job

    report = report_for(as_json)
    with interrupts_counted() as interrupts:
        try:
            _let_chat_go(found)
            attempt = newest_attempt(found.events) + 1
            started = start_resuming_engine(found, key, force=force)
            started.resume(
                document.resolved_yaml(), point.recipe_name, [Path(sys.argv[0]).name, *sys.argv[1:]], from_step
            )
        except ValueError as error:
            end(str(error), 1)
        except OSError as error:
            end(f"The run cannot be written: {error.strerror or error} ({error.filename or 'its folder'}).", 1)
        if meeting is not None:
            meeting.announce(found, attempt)
        if (job := Job.of_environment(os.environ)) is not None:
            with contextlib.suppress(OSError):
                job.write(found)
        if detach:
            print(plain_line(found.id))
            print(f"Watch it with: cockpit attach {shlex.quote(plain_line(found.id))}", file=sys.stderr)
            return
        status, started = follow_through(started, report, interrupts, attempt)
        tell_ways_on(found, report, status)
        end_engine(started)
    raise typer.Exit(status)


def _checked(
    run: RunDir,
    settings: list[str],
    base: str | None,
    gpus: str | None,
    meeting: Meeting | None,
) -> tuple[RecipeDocument, EngineKey, Recipe]:
    """The run's recipe with the changes on it and its base at `base`, its engine's key, and the recipe as it was; ends
    the command where it cannot go on with these."""
    from cockpit.launch.engines import EngineKey
    from cockpit.machine.gpu import GpuProbe
    from cockpit.preflight.checks import preflight
    from cockpit.preflight.devices import share_among
    from cockpit.preflight.outlook import settle
    from cockpit.recipe.problem import RecipeError
    from cockpit.recipe.resume_policy import refused_changes
    from cockpit.runs.moved_base import why_no_base
    from cockpit.runs.origin import recipe_of_run

    wrong: list[str] = []
    try:
        document = recipe_of_run(run.path)
        before = document.recipe()
        if base is not None:
            document.use_model(base)
        report = GpuProbe().wait()
        machines = 1 if meeting is None else meeting.nodes
        if gpus is not None or machines != before.hardware.nodes:
            share_among(document, gpus or str(before.hardware.gpus), machines, report)
        for setting in settings:
            document.set_from_text(setting)
        after = settle(document, report, machines)
    except RecipeError as error:
        end("\n".join(map(str, error.problems)), 2)
    except ValueError as error:
        end(str(error), 2)
    if gone := why_no_base(after):
        end(gone, 2)
    same_base = base is not None and after.model.name_or_path == base
    wrong += [str(problem) for problem in refused_changes(before, after, "--set", same_base=same_base)]
    wrong += [str(problem) for problem in preflight(after, report, document.file, document.line, resumes=True)]
    if wrong:
        end("\n".join(wrong), 2)
    return document, EngineKey.of(after, report, meeting), before


def _point(
    run: RunDir, before: Recipe, after: Recipe, from_step: int | None, meeting: Meeting | None, *, force: bool
) -> ResumePoint | None:
    """From where the run resumes; None on a machine that is not the first, where the first one goes on with it already.
    Ends the command where it cannot resume."""
    from cockpit.runs.resumable import ResumePoint, SilentEngine

    try:
        point = ResumePoint.of(run, before, from_step, force=force)
        why_not = point.why_not(after)
    except ValueError as error:
        if meeting is not None and not meeting.is_first and run.liveness() in ("starting", "alive"):
            return None
        may_be_forced = isinstance(error, SilentEngine) and error.may_be_forced
        end(f"{error} Give --force then." if may_be_forced else str(error), 1)
    if why_not:
        end(f"{why_not.rstrip('.')} with --set training.max_steps=N, or resume earlier with --from STEP.", 1)
    return point


def _let_chat_go(run: RunDir) -> None:
    """An engine that only answers chats holds the folder and the memory: it is asked to go. Raises ValueError."""
    from cockpit.runs.resumable import let_chat_go

    if not let_chat_go(run):
        return
    deadline = time.monotonic() + UNLOADS_S
    while run.liveness() == "alive":
        if time.monotonic() > deadline:
            raise ValueError(f"The engine of {run.id} does not let its model go; try again when it has ended.")
        time.sleep(0.1)
