"""cockpit train: a run without the app, with the same engine and the same folder."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end, refuse
from cockpit.cli.meeting import NodeRank, Nodes, Rdzv, join, meeting_of
from cockpit.cli.recipe_args import asked_for, blamed
from cockpit.cli.recipe_options import RecipeName, Settings

if TYPE_CHECKING:
    from cockpit.launch.engines import EngineKey, StartedEngine
    from cockpit.launch.meeting import Meeting
    from cockpit.preflight.fitting import Fitted
    from cockpit.recipe.document import RecipeDocument
    from cockpit.runs.folder import RunDir

ENGINE_ENDS_S = 30.0


def train(
    recipe: RecipeName,
    data: Annotated[Path | None, typer.Option(help="Train on this file of yours; its form is recognised.")] = None,
    model: Annotated[str | None, typer.Option(help="Train this model: a local folder or a Hub name.")] = None,
    settings: Settings = None,
    gpus: Annotated[
        str | None, typer.Option("--gpus", metavar="N", help="Train on so many GPUs together; all for all of them.")
    ] = None,
    nodes: Nodes = None,
    node_rank: NodeRank = None,
    rdzv: Rdzv = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run's events as JSON lines.")] = False,
    detach: Annotated[bool, typer.Option(help="Print the run's id and leave it running.")] = False,
    resume_or_start: Annotated[
        bool,
        typer.Option("--resume-or-start", help="Go on with the newest run of this recipe if it has not completed."),
    ] = False,
    in_process: Annotated[bool, typer.Option(help="Train on a thread of this process, for debuggers.")] = False,
) -> None:
    """Train a recipe. Ctrl-C finishes the step and saves; a second one drops the step.

    With --resume-or-start a job script may be submitted again and again: the newest run of the very same recipe goes on
    from its checkpoint, and where that has completed nothing is done.

    Several machines train one run where each is told --nodes, --node-rank and --rdzv, and COCKPIT_HOME is shared: each
    gives as many GPUs, and the first one shows the run.

    Exit status: 0 completed, 1 failed, 2 the recipe or a setting is wrong, 130 stopped.
    """
    if detach and in_process:
        refuse(
            ["--detach leaves the run to a process of its own, --in-process keeps it in this one; give one of the two."]
        )
    meeting = meeting_of(nodes, node_rank, rdzv)
    document, key, found = _checked(recipe, data, model, settings or [], gpus, meeting)
    name = document.recipe().output.run_name or document.name
    if meeting is not None and not meeting.is_first:
        if resume_or_start:
            _end_if_complete(_newest_of(found, name))
        raise typer.Exit(join(meeting, key, detach=detach))
    if in_process and (key.ranks > 1 or meeting is not None):
        several = f"hardware.devices is {key.ranks}" if meeting is None else f"--nodes is {meeting.nodes}"
        refuse([f"--in-process trains on one GPU, and {several}; leave it out, or give --gpus 1."])
    if resume_or_start:
        _take_up_if_begun(found, name, meeting, as_json=as_json, detach=detach)

    from cockpit.cli.follow import interrupts_counted, tell_ways_on
    from cockpit.cli.report import report_for
    from cockpit.cli.taking_up import follow_through
    from cockpit.recipe.document import resolved_yaml
    from cockpit.runs.folder import why_unwritable
    from cockpit.runs.job import Job
    from cockpit.runs.starting_adapter import with_starting_adapter

    report = report_for(as_json)
    with interrupts_counted() as interrupts:
        try:
            started = _start(key, name, in_process)
            resolved = resolved_yaml(with_starting_adapter(found.recipe))
            written = document.resolved_yaml() if found.differs else None
            command = [Path(sys.argv[0]).name, *sys.argv[1:]]
            run = started.train(resolved, name, command, written=written, fitted=found.told)
            if meeting is not None:
                meeting.announce(run)
        except OSError as error:
            end(why_unwritable(error), 1)
        if (job := Job.of_environment(os.environ)) is not None:
            with contextlib.suppress(OSError):  # it is for those who look for the run of a job
                job.write(run)
        if detach:
            print(run.id)
            print(f"Watch it with: cockpit attach {shlex.quote(run.id)}", file=sys.stderr)
            return
        status, started = follow_through(started, report, interrupts)
        tell_ways_on(run, report, status)
        end_engine(started)
    raise typer.Exit(status)


def _take_up_if_begun(found: Fitted, name: str, meeting: Meeting | None, *, as_json: bool, detach: bool) -> None:
    """Go on with the newest run of the recipe, which ends the command; where there is none that can go on, return."""
    from cockpit.cli.resume import resume
    from cockpit.cli.taking_up import is_left_by_this_job
    from cockpit.runs.checkpoint import newest_complete
    from cockpit.runs.status import is_active
    from cockpit.runs.summary import RunSummary
    from cockpit.text.plain_text import plain_line

    run = _newest_of(found, name)
    if run is None:
        return
    _end_if_complete(run)
    state, shown = RunSummary.of(run).state, plain_line(run.id)
    is_ours = is_active(state) and is_left_by_this_job(run)
    if is_ours:
        state = RunSummary.of(run).state
        _end_if_complete(run)
    if is_active(state) and not is_ours:
        end(f"The run {shown} of this recipe is still going; watch it with: cockpit attach {shlex.quote(shown)}", 1)
    if newest_complete(run.checkpoints)[0] is None:
        print(f"The run {shown} of this recipe has left no checkpoint; a new one begins.", file=sys.stderr)
        return
    print(f"Going on with the run {shown} of this recipe.", file=sys.stderr)
    where = {} if meeting is None else {"nodes": meeting.nodes, "node_rank": meeting.node, "rdzv": meeting.place}
    resume(run.id, as_json=as_json, detach=detach, force=is_ours, **where)  # type: ignore[arg-type]


def _newest_of(found: Fitted, name: str) -> RunDir | None:
    from cockpit.cli.taking_up import newest_of

    return newest_of(found.written, found.recipe, name)


def _end_if_complete(run: RunDir | None) -> None:
    """End the command where the run of the recipe has completed."""
    from cockpit.runs.summary import RunSummary
    from cockpit.text.plain_text import plain_line

    if run is not None and RunSummary.of(run).state == "completed":
        print(f"The run {plain_line(run.id)} of this recipe has completed; there is nothing to do.", file=sys.stderr)
        raise typer.Exit(0)


def _checked(
    recipe: str, data: Path | None, model: str | None, settings: list[str], gpus: str | None, meeting: Meeting | None
) -> tuple[RecipeDocument, EngineKey, Fitted]:
    """The recipe with all that was asked for on it, its engine's key, and how it is trained on this machine; status 2
    where something is wrong."""
    from cockpit.launch.engines import EngineKey
    from cockpit.machine.gpu import GpuProbe
    from cockpit.preflight.checks import preflight
    from cockpit.preflight.outlook import fitted_here, settle
    from cockpit.recipe.problem import RecipeError

    document, _ = asked_for(recipe, data, model, settings, gpus=gpus, piped=True)
    report = GpuProbe().wait()
    try:
        if meeting is not None:
            document.set("hardware.nodes", meeting.nodes)
        resolved = settle(document, report, 1 if meeting is None else meeting.nodes)
    except RecipeError as error:
        refuse([str(blamed(problem, data, model, settings, gpus=gpus)) for problem in error.problems])
    problems = preflight(resolved, report, document.file, document.line)
    if problems:
        refuse([str(blamed(problem, data, model, settings, gpus=gpus)) for problem in problems])
    key = EngineKey.of(resolved, report, meeting)
    return document, key, fitted_here(resolved, report)


def _start(key: EngineKey, name: str, in_process: bool) -> StartedEngine:
    from cockpit.launch.engines import start_engine

    if not in_process:
        return start_engine(key, name)
    from cockpit.cli.in_process import host_engine

    return host_engine(key, name)


def end_engine(started: StartedEngine) -> None:
    """Nobody will chat with this engine: let it go, and wait until it has."""
    import subprocess

    from cockpit.protocol.commands import Unload
    from cockpit.runs.link import new_command_id

    if started.process.poll() is not None:
        return
    with contextlib.suppress(OSError):  # a full disk: it is ended below
        started.link.send(Unload(id=new_command_id(), pid=started.process.pid))
    try:
        started.process.wait(ENGINE_ENDS_S)
    except subprocess.TimeoutExpired:
        started.process.kill()
