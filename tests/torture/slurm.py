"""A real Slurm of one node: a job is submitted, told that its time is up, goes back into the queue, and resumes

python -m tests.torture.slurm [--steps N]    as root, with Debian's packages slurmctld, slurmd, slurm-client and munge

It brings up a cluster of its own in a temporary folder. Each job has 2 minutes, of which the last is grace; Slurm lets
a job that goes back wait for 2 more. The run must resume and complete with the losses of an undisturbed one, and its
job must be followed throughout.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cockpit.protocol import events as ev
from cockpit.runs.folder import all_runs
from tests.engine import tiny
from tests.torture.ranks import losses
from tests.torture.twice import cockpit, logged

CONFIG = """
ClusterName=torture
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CryptoType=crypto/munge
SlurmUser=root
SlurmctldPort=27817
SlurmdPort=27818
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
JobRequeue=1
KillWait=10
SchedulerParameters=sched_interval=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """Slurm's daemons, with SLURM_CONF in the environment."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(host=os.uname().nodename, folder=folder, cpus=os.cpu_count()))
    os.environ["SLURM_CONF"] = str(config)
    munged = ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder / 'munge.sock'}"]
    munged += [f"--{name}-file={folder / f'munge.{name}'}" for name in ("pid", "log", "seed")]
    started = [subprocess.Popen(munged, stderr=subprocess.DEVNULL)]
    time.sleep(1)
    started += [subprocess.Popen([daemon, "-D", "-f", str(config)]) for daemon in ("slurmctld", "slurmd")]
    try:
        deadline = time.monotonic() + 60
        while "idle" not in subprocess.run(["sinfo"], capture_output=True, text=True, check=False).stdout:
            assert time.monotonic() < deadline, "the cluster does not come up"
            time.sleep(0.5)
        yield
    finally:
        for one in reversed(started):
            one.terminate()
            one.wait(30)


def main() -> int:
    """What became of the job."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.slurm")
    parser.add_argument("--steps", type=int, default=400)
    steps = parser.parse_args().steps
    with tempfile.TemporaryDirectory(prefix="slurm-") as home:
        folder = Path(home)
        folder.chmod(0o700)
        os.environ |= {"COCKPIT_HOME": str(folder / "cockpit"), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        tiny.make_model(folder / "model")
        tiny.write_rows(folder / "rows.jsonl", tiny.chat_rows(45))
        recipe = folder / "tiny.yaml"
        text = tiny.recipe_text(
            folder / "model", folder / "rows.jsonl", backend="transformers", training__max_steps=steps,
            output__save_steps=50, lifecycle__grace_s=1,
        )  # fmt: skip
        recipe.write_text(text)
        with cluster(folder):
            followed = cockpit("slurm", str(recipe), "--gpus", "0", "--time", "2", "--submit")
            said = followed.communicate(timeout=3600)[0]
        (run,) = all_runs()
        resumed = [event.step for event in logged(run) if isinstance(event, ev.TrainingResumed)]
        found = losses(run)
        undisturbed = cockpit("train", str(recipe))
        undisturbed.communicate()
        is_alike = losses(all_runs()[0]) == found
    print(*[line for line in said.splitlines() if "Job" in line], sep="\n")
    print(f"status {followed.returncode}, resumed after {resumed}, losses as undisturbed: {is_alike}")
    return 0 if followed.returncode == 0 and resumed and is_alike else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
