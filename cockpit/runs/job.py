"""Job: which job of a cluster's scheduler a run is trained in, as the run's folder says"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cockpit.disk import read_regular, write_atomically
from cockpit.protocol.values import UNREADABLE
from cockpit.runs.folder import RunDir, all_runs

JOB = "job.json"
LONGEST = 1 << 14


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The newest that has trained the run. `node` is the machine, as the scheduler calls it."""

    scheduler: str
    id: str
    node: str = ""

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Job | None:
        """The job that this process belongs to; None where it belongs to none."""
        id_ = environment.get("SLURM_JOB_ID", "")
        return cls(scheduler="slurm", id=id_, node=environment.get("SLURMD_NODENAME", "")) if id_ else None

    def write(self, run: RunDir) -> None:
        """Say that the run is trained in this job. Raises OSError."""
        write_atomically(run.path / JOB, msgspec.json.encode(self), durable=False)


def job_of(run: RunDir) -> Job | None:
    """None for a run of no job, and where the file is damaged."""
    try:
        return msgspec.json.decode(read_regular(run.path / JOB, LONGEST), type=Job)
    except (OSError, *UNREADABLE):
        return None


def run_of_job(id_: str) -> RunDir | None:
    """The newest run that is trained in the job; None before it has begun."""
    return next((run for run in all_runs() if (job := job_of(run)) is not None and job.id == id_), None)
