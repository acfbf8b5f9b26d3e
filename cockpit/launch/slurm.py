"""Slurm: the batch script of a recipe, submitting it, and how its job stands"""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cockpit.text.plain_text import plain_line

ANSWERS_WITHIN_S = 30.0
ENDS_S = 60
"""Seconds that are left of a job, beyond the recipe's grace, when its shell is told that the end comes."""
END_NEARS_S = 600
"""A run that stops by itself so near to the end of its job has done so for that."""
GONE = (
    "COMPLETED",
    "CANCELLED",
    "FAILED",
    "TIMEOUT",
    "NODE_FAIL",
    "PREEMPTED",
    "OUT_OF_MEMORY",
    "BOOT_FAIL",
    "DEADLINE",
)
"""States that a job does not come back from by itself."""
MEETING = """
# Where the nodes meet; each is told by Slurm which of them it is.
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$(( 20000 + SLURM_JOB_ID % 10000 ))
"""
_time = re.compile(r"(\d+-)?\d{1,3}(:[0-5]\d){0,2}")


@dataclass(frozen=True)
class Asked:
    """What a job is to have. `time` as sbatch takes it: 04:00:00, 2-12:00:00, 90 (minutes); empty for the partition's.
    `container` is an image that srun starts in, by pyxis; empty for none. `more` are further options of sbatch."""

    name: str
    gpus: int
    time: str = ""
    partition: str = ""
    account: str = ""
    cpus: int | None = None
    memory: str = ""
    container: str = ""
    more: tuple[str, ...] = ()
    nodes: int = 1
    """Machines that train together, each with so many GPUs."""

    def __post_init__(self) -> None:
        """Raises ValueError with a sentence."""
        if self.time and not _time.fullmatch(self.time):
            raise ValueError(
                f"--time {self.time}: this is no time limit; write it as 04:00:00, or 2-12:00:00 with days."
            )
        for option in self.more:
            if not option.startswith("--"):
                raise ValueError(
                    f"--sbatch {option}: this is no option of sbatch; write it as --sbatch=--constraint=h100."
                )


@dataclass(frozen=True)
class JobState:
    """How a job stands: Slurm's word for it in capitals, why it waits (its word too), on which nodes it is."""

    state: str
    reason: str = ""
    nodes: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it ends here."""
        return self.state in GONE

    @property
    def sentence(self) -> str:
        """`is pending (Resources)`, `is running on node7`: how it goes on after `Job 12`."""
        word = self.state.lower().replace("_", " ")
        if self.nodes and not self.is_over:
            return f"is {word} on {plain_line(self.nodes)}"
        why = f" ({plain_line(self.reason)})" if self.reason not in ("", "None") else ""
        return f"is {word}{why}" if not self.is_over else f"has ended: {word}{why}"


def script(asked: Asked, command: list[str], *, home: Path, folder: Path, logs: Path, grace_s: int) -> str:
    """The text of a batch script that runs `command`, a cockpit train that ends with 130 once it has stopped and saved,
    in `folder`. `home` is COCKPIT_HOME on a disk that this machine shares with the cluster's nodes; what the job prints
    goes into `logs`. It is told `grace_s` and a minute before the job's time is up, and goes back into the queue then.
    """
    name = job_name(asked.name)
    options = {
        "job-name": name,
        "nodes": str(asked.nodes),
        "ntasks-per-node": "1",
        "gpus-per-node": str(asked.gpus) if asked.gpus else "",
        "cpus-per-task": str(asked.cpus) if asked.cpus else "",
        "mem": asked.memory,
        "time": asked.time,
        "partition": asked.partition,
        "account": asked.account,
        "output": str(logs).replace("%", "%%") + f"/{name}-%j.log",
        "open-mode": "append",
        "signal": f"B:TERM@{grace_s + ENDS_S}",
    }
    given = [f"--{option}={shlex.quote(value)}" for option, value in options.items() if value]
    lines = [f"#SBATCH {_on_a_line(option)}" for option in [*given, "--requeue", *map(_quoted, asked.more)]]
    start, step = shlex.join(command), ["srun"] if asked.container or asked.nodes > 1 else []
    if step and asked.cpus:
        step.append(f"--cpus-per-task={asked.cpus}")  # since Slurm 22.05 srun does not take it from sbatch
    if asked.container:
        mounts = shlex.quote(_mounts(home, folder))
        step += [f"--container-image={shlex.quote(asked.container)}", f"--container-mounts={mounts}"]
    if asked.nodes > 1:
        start += f' --nodes {asked.nodes} --rdzv "$first:$port"'
    start = " ".join([*step, start])
    return f"""#!/bin/bash
{chr(10).join(lines)}

export COCKPIT_HOME={shlex.quote(str(home))}
# When the job must end; Slurm says it by itself from 23.02 on.
if [ -z "$SLURM_JOB_END_TIME" ]; then
    ends=$(squeue -h -j "$SLURM_JOB_ID" -o %e)
    SLURM_JOB_END_TIME=$([ -n "$ends" ] && date -d "$ends" +%s 2>/dev/null)
fi
export SLURM_JOB_END_TIME
cd {shlex.quote(str(folder))} || exit 1
{MEETING if asked.nodes > 1 else ""}
# Slurm tells this shell when the time is nearly up: cockpit finishes its step, saves, and ends with 130.
told=0 heard=0 train=
trap 'told=$(( told + 1 )); [ -z "$train" ] || kill -TERM "$train" 2>/dev/null' TERM
{start} &
train=$!
[ "$told" = 0 ] || kill -TERM "$train"
# Being told interrupts the wait, whose status is then none of cockpit's.
while wait "$train"; status=$?; [ "$heard" != "$told" ]; do heard=$told; done

# Back into the queue, where the next start goes on from the checkpoint. A run that was stopped by hand stays stopped.
# Where nobody knows when the job ends, its end is not near.
end_is_near() {{ [ -n "$SLURM_JOB_END_TIME" ] && [ $(( SLURM_JOB_END_TIME - $(date +%s) )) -lt {END_NEARS_S} ]; }}
if [ "$status" = 130 ] && {{ [ "$told" != 0 ] || end_is_near; }}; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
"""


def job_name(name: str) -> str:
    """`name` made fit for a job, and for files that are called after it."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "cockpit"


def _quoted(option: str) -> str:
    """An option with its value in quotes, as sbatch takes them, unless it has some."""
    name, equals, value = option.partition("=")
    return option if not value or {"'", '"', "\\"} & set(value) else f"{name}{equals}{shlex.quote(value)}"


def _on_a_line(option: str) -> str:
    """The option as it is. Raises ValueError with a sentence where it would go on as the script's next line."""
    if len(option.splitlines()) > 1:
        raise ValueError(f"{plain_line(option)}: an option of sbatch stands on one line; leave the line break out.")
    return option


def _mounts(*folders: Path) -> str:
    """Folders that a container shall see, as pyxis takes them. Raises ValueError with a sentence."""
    for folder in folders:
        if {",", ":"} & set(str(folder)):
            raise ValueError(
                f"--container: {plain_line(str(folder))} cannot be seen in a container, as pyxis ends a folder at a "
                "comma or a colon; give a folder without."
            )
    return ",".join(map(str, folders))


def submit(path: Path) -> str:
    """Hand a script to sbatch; the job's id. Raises ValueError with a sentence where it is refused, or is not there."""
    answer = _ask("sbatch", "--parsable", str(path))
    return answer.strip().split(";")[0]


def state_of(job: str) -> JobState | None:
    """How the job stands; None where Slurm knows it no more. Raises ValueError with a sentence where nobody answers."""
    try:
        queued = _ask("squeue", "--noheader", "--jobs", job, "--states", "all", "--format", "%T|%r|%N")
    except UnknownJob:
        queued = ""
    for line in queued.splitlines():
        state, reason, nodes = [*line.strip().split("|"), "", ""][:3]
        return JobState(state, reason, nodes)
    try:
        told = _ask("scontrol", "--oneliner", "show", "job", job)
    except UnknownJob:
        return None
    found = dict(part.split("=", 1) for part in told.split() if "=" in part)
    return JobState(found.get("JobState", ""), found.get("Reason", ""), found.get("NodeList", "").replace("(null)", ""))


class UnknownJob(ValueError):
    """Slurm has forgotten the job."""


def _ask(program: str, *arguments: str) -> str:
    try:
        answer = subprocess.run(
            [program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=ANSWERS_WITHIN_S,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise ValueError(f"There is no {program} on this machine; run this on a login node of the cluster.") from None
    except subprocess.TimeoutExpired:
        raise ValueError(
            f"{program} has not answered for {ANSWERS_WITHIN_S:.0f} s; Slurm's controller may be down."
        ) from None
    if answer.returncode == 0:
        return answer.stdout
    lines = [line for line in answer.stderr.splitlines() if line.strip()]
    said = plain_line(lines[-1] if lines else f"status {answer.returncode}")
    if "Invalid job id" in said:
        raise UnknownJob(said)
    raise ValueError(
        f"{program} refuses: {said.removeprefix(f'{program}: ').removeprefix('error: ')}.".replace("..", ".")
    )
