"""cockpit slurm: a recipe as a job of a Slurm cluster: its batch script, submitting it, following it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end, refuse
from cockpit.cli.recipe_options import RecipeName, Settings

if TYPE_CHECKING:
    from cockpit.recipe.recipe import Recipe

LOOK_EVERY_S = 2.0
FORGOTTEN_S = 60.0
"""How long a job that Slurm does not know is looked for: a controller may be restarted."""


def slurm(
    recipe: RecipeName,
    data: Annotated[Path | None, typer.Option(help="Train on this file of yours.")] = None,
    model: Annotated[str | None, typer.Option(help="Train this model: a local folder or a Hub name.")] = None,
    settings: Settings = None,
    gpus: Annotated[
        int | None, typer.Option(min=0, help="GPUs of the node; the recipe's unless given; needed for all.")
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(min=1, max=64, help="Nodes that train together, each with so many GPUs.")
    ] = None,
    time_: Annotated[str, typer.Option("--time", help="Time limit, as 04:00:00 or 2-12:00:00.")] = "",
    partition: Annotated[str, typer.Option(help="Slurm's partition.")] = "",
    account: Annotated[str, typer.Option(help="Slurm's account.")] = "",
    cpus: Annotated[int | None, typer.Option(min=1, help="Cores for the job.")] = None,
    memory: Annotated[str, typer.Option("--mem", help="The node's memory for the job, as 64G.")] = "",
    container: Annotated[str, typer.Option(help="Image that it runs in, where the cluster has pyxis.")] = "",
    more: Annotated[
        list[str] | None, typer.Option("--sbatch", metavar="OPTION", help="A further option of sbatch; repeatable.")
    ] = None,
    submit: Annotated[bool, typer.Option(help="Hand it to sbatch, and follow the job.")] = False,
    detach: Annotated[bool, typer.Option(help="With --submit: print the job's id, and do not follow it.")] = False,
) -> None:
    """Print the batch script that trains a recipe, or submit it and follow its job and its run.

    COCKPIT_HOME must lie on a disk that the nodes share. hardware.devices: all needs --gpus, as nobody knows the node
    yet. When the job's time is up the run stops, saves and goes back into the queue; the next start resumes it. Ctrl-C
    ends following, not the job.

    Exit status: 0 the script is printed, or the run has completed; 1 it has failed or Slurm refuses it; 2 the recipe or
    a setting is wrong; 130 stopped.
    """
    from cockpit.cli.recipe_args import asked_for
    from cockpit.disk import write_atomically
    from cockpit.launch import slurm as cluster
    from cockpit.paths import home

    document, resolved = asked_for(recipe, data, model, settings or [], gpus=str(gpus) if gpus else None)
    devices = _devices(resolved, gpus)
    name = resolved.output.run_name or document.name
    command = [*_cockpit(), "train", str(Path(recipe).absolute()) if Path(recipe).is_file() else recipe]
    command += ["--data", str(data.absolute())] if data is not None else []
    command += ["--model", model] if model is not None else []
    command += ["--gpus", str(devices)] if devices else []
    command += [part for one in settings or [] for part in ("--set", one)]
    command += ["--set", "lifecycle.deadline=slurm", "--resume-or-start"]
    logs = home() / "slurm"
    try:
        asked = cluster.Asked(
            name, devices, time_, partition, account, cpus, memory, container, tuple(more or []),
            nodes or resolved.hardware.nodes,
        )  # fmt: skip
        text = cluster.script(
            asked, command, home=home(), folder=Path.cwd(), logs=logs, grace_s=resolved.lifecycle.grace_s
        )
        if not submit:
            print(text, end="")
            return
        logs.mkdir(parents=True, exist_ok=True)
        path = logs / f"{cluster.job_name(name)}-{time.strftime('%m%d-%H%M%S')}.sbatch"
        write_atomically(path, text)
        job = cluster.submit(path)
    except ValueError as error:
        if submit and not str(error).startswith("--"):
            end(str(error), 1)
        refuse([str(error)])
    except OSError as error:
        end(f"The script cannot be written: {error.strerror or error} ({error.filename}).", 1)
    print(f"Job {job} was submitted; its script: {path}", file=sys.stderr)
    if detach:
        print(job)
        return
    try:
        raise typer.Exit(follow_job(job))
    except KeyboardInterrupt:
        print(f"Job {job} goes on; its runs: cockpit runs.", file=sys.stderr)
        raise typer.Exit(130) from None


def _devices(recipe: Recipe, asked: int | None) -> int:
    """GPUs that the job is to have, where `asked` of them were asked for; ends the command where none can be known."""
    if recipe.hardware.gpu == "none":
        if asked:
            refuse([f"--gpus {asked}: hardware.gpu is none, and it trains on the CPU; leave --gpus out."])
        return 0
    if asked is None and recipe.hardware.devices == "all":
        refuse(["hardware.devices: all counts GPUs of a node that nobody knows yet; give their number with --gpus."])
    return recipe.hardware.gpus if asked is None else asked


def _cockpit() -> list[str]:
    """The command as it was called here, which the nodes see at the same place."""
    from cockpit.machine.child_environment import python_command

    program = Path(sys.argv[0]).absolute()
    return [str(program)] if program.name == "cockpit" else python_command("cockpit")


def follow_job(job: str) -> int:
    """Tell how the job stands and what its run does, until both have ended; the exit status."""
    from cockpit.cli.follow import EXIT_STATUS
    from cockpit.cli.report import report_for
    from cockpit.launch import slurm as cluster
    from cockpit.runs.job import run_of_job
    from cockpit.runs.link import RunLink
    from cockpit.runs.state import RunState
    from cockpit.runs.summary import RunSummary

    report, state, said = report_for(False), RunState(), ""
    link: RunLink | None = None
    forgotten: float | None = None
    while True:
        try:
            stands = cluster.state_of(job)
        except ValueError as error:
            stands = cluster.JobState("UNKNOWN", str(error))
        if stands is not None and stands.sentence != said:
            said = stands.sentence
            report.say(f"Job {job} {said}.")
        run = run_of_job(job) if link is None else link.run
        if link is None and run is not None:
            link = RunLink(run)
        while link is not None and (batch := link.poll()):
            for event in batch:
                state.apply(event)
                report.tell(event, state)
        forgotten = None if stands is not None else forgotten or time.monotonic()
        is_forgotten = forgotten is not None and time.monotonic() - forgotten > FORGOTTEN_S
        if (stands is not None and stands.is_over) or is_forgotten:
            if run is None:
                report.say(f"The job has ended without a run; what it printed: {_logs(job)}")
                return 1
            return EXIT_STATUS.get(RunSummary.of(run).state, 1)
        time.sleep(LOOK_EVERY_S)


def _logs(job: str) -> str:
    from cockpit.paths import home

    found = sorted((home() / "slurm").glob(f"*-{job}.log"))
    return str(found[-1]) if found else f"{home() / 'slurm'}/*-{job}.log"
