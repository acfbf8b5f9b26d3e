"""Slurm by a stand-in: sbatch, squeue and scontrol as small programs that answer in the forms of Slurm 22.05."""

from __future__ import annotations

import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.launch.slurm import Asked, JobState, UnknownJob, job_name, script, state_of, submit
from cockpit.paths import home, runs_folder
from cockpit.runs.folder import RunDir
from cockpit.runs.job import Job, job_of, run_of_job

SBATCH = """
import os, sys
job = "17"
if not os.path.exists(sys.argv[-1]):
    sys.exit(f"sbatch: error: Unable to open file {sys.argv[-1]}")
if "--partition=nowhere" in open(sys.argv[-1]).read():
    sys.exit("sbatch: error: invalid partition specified: nowhere\\nsbatch: error: Batch job submission failed: "
             "Invalid partition name specified")
print(f"{job};cluster" if "--parsable" in sys.argv else f"Submitted batch job {job}")
"""
SQUEUE = """
import os, sys
queued = os.environ.get("QUEUED", "")
if "%e" in sys.argv:
    print("2026-11-30T18:00:00")
elif queued:
    print(queued)
else:
    sys.exit("slurm_load_jobs error: Invalid job id specified")
"""
SCONTROL = """
import os, sys
if sys.argv[1] == "requeue":
    open(os.environ["REQUEUED"], "a").write(sys.argv[2])
elif os.environ.get("SHOWN"):
    print(os.environ["SHOWN"])
else:
    sys.exit("slurm_load_jobs error: Invalid job id specified")
"""


@pytest.fixture(autouse=True)
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The programs, before all others on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE), ("scontrol", SCONTROL)):
        program = folder / name
        program.write_text(f"#!{sys.executable}{text}")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("REQUEUED", str(tmp_path / "requeued"))
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    return folder


def text(command: list[str], folder: Path, **asked: object) -> str:
    return script(
        Asked("llama 3", 4, **asked),  # type: ignore[arg-type]
        command,
        home=folder / "my home",
        folder=folder,
        logs=folder / "logs",
        grace_s=30,
    )


def test_the_script_says_what_was_asked_for(tmp_path: Path) -> None:
    said = text(
        ["cockpit", "train", "my recipe.yaml"], tmp_path, time="04:00:00", partition="gpu", cpus=16, memory="64G",
        more=("--constraint=h100",),
    )  # fmt: skip
    options = [line.removeprefix("#SBATCH ") for line in said.splitlines() if line.startswith("#SBATCH")]
    assert options == [
        "--job-name=llama-3", "--nodes=1", "--ntasks-per-node=1", "--gpus-per-node=4", "--cpus-per-task=16",
        "--mem=64G", "--time=04:00:00", "--partition=gpu", f"--output={tmp_path}/logs/llama-3-%j.log",
        "--open-mode=append", "--signal=B:TERM@90", "--requeue", "--constraint=h100",
    ]  # fmt: skip
    assert "cockpit train 'my recipe.yaml' &" in said and f"export COCKPIT_HOME='{tmp_path}/my home'" in said
    assert subprocess.run(["bash", "-n"], input=said, text=True, check=False).returncode == 0


def test_a_container_is_started_by_srun(tmp_path: Path) -> None:
    said = text(["cockpit", "train", "demo"], tmp_path, container="nvcr.io/nvidia/pytorch:26.01")
    (start,) = [shlex.split(line) for line in said.splitlines() if line.startswith("srun")]
    mounts = f"--container-mounts={tmp_path}/my home,{tmp_path}"
    assert start == ["srun", "--container-image=nvcr.io/nvidia/pytorch:26.01", mounts, "cockpit", "train", "demo", "&"]
    with pytest.raises(ValueError, match=r"^--container: .* cannot be seen in a container"):
        text(["true"], tmp_path / "a:b", container="image")


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        ({"nodes": 2, "cpus": 16}, ["--cpus-per-task=16"]),
        ({"container": "image", "cpus": 16}, ["--cpus-per-task=16", "--container-image=image"]),
        ({"nodes": 2}, []),
    ],
)
def test_a_step_has_the_cores_of_its_job(tmp_path: Path, asked: dict[str, object], more: list[str]) -> None:
    """Since 22.05 srun takes them from its own options alone."""
    said = text(["cockpit", "train", "demo"], tmp_path, **asked)
    (start,) = [shlex.split(line) for line in said.splitlines() if line.startswith("srun")]
    assert start[1 : start.index("cockpit")][: len(more)] == more
    assert any(one.startswith("--cpus-per-task") for one in start) == ("cpus" in asked)


def test_several_nodes_meet_at_the_first_one_and_are_told_which_they_are(tmp_path: Path, slurm: Path) -> None:
    """As srun does it: the command once for each node, with SLURM_NODEID."""
    (slurm / "scontrol").write_text('#!/bin/sh\n[ "$*" = "show hostnames node[7-8]" ] && printf "node7\\nnode8\\n"\n')
    (slurm / "srun").write_text('#!/bin/sh\nfor SLURM_NODEID in 0 1; do export SLURM_NODEID; "$@"; done\n')
    (slurm / "srun").chmod(0o700)
    said = text(["sh", "-c", f'echo "$SLURM_NODEID $*" >>{tmp_path}/told', "train"], tmp_path, nodes=2)
    assert "#SBATCH --nodes=2\n" in said and "#SBATCH --ntasks-per-node=1\n" in said
    environment = {**os.environ, "SLURM_JOB_NODELIST": "node[7-8]", "SLURM_JOB_END_TIME": "0"}
    ran = subprocess.run(["bash"], input=said, text=True, capture_output=True, check=False, env=environment)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "told").read_text() == "".join(f"{node} --nodes 2 --rdzv node7:20017\n" for node in (0, 1))


def test_folders_and_options_with_blanks_stay_whole(tmp_path: Path) -> None:
    folder = tmp_path / "50% of O'Hara"
    said = text(["true"], folder, more=("--comment=two words", '--nodelist="a,b"', "--exclusive"))
    options = [shlex.split(line)[1:] for line in said.splitlines() if line.startswith("#SBATCH")]
    assert [f"--output={tmp_path}/50%% of O'Hara/logs/llama-3-%j.log"] in options
    assert options[-3:] == [["--comment=two words"], ["--nodelist=a,b"], ["--exclusive"]]
    with pytest.raises(ValueError, match=r"^--comment=.*: an option of sbatch stands on one line"):
        text(["true"], folder, more=("--comment=a\ntouch b",))


@pytest.mark.parametrize("name", ["a/b", "..", "../x", ".", "/", ""])
def test_a_job_is_called_by_what_a_file_can_be(name: str) -> None:
    assert job_name(name) in ("a-b", "x", "cockpit")


def cluster_script(*arguments: str) -> tuple[int, str]:
    ran = CliRunner().invoke(cockpit, ["slurm", "demo", *arguments])
    return ran.exit_code, ran.stdout or ran.stderr


def test_the_job_has_the_gpus_that_its_recipe_trains_on() -> None:
    status, said = cluster_script("--set", "hardware.devices=all", "--set", "hardware.gpu=auto")
    assert (status, said) == (
        2, "hardware.devices: all counts GPUs of a node that nobody knows yet; give their number with --gpus.\n"
    )  # fmt: skip
    status, said = cluster_script("--set", "hardware.devices=all", "--set", "hardware.gpu=auto", "--gpus", "4")
    assert status == 0 and "--gpus-per-node=4\n" in said and " --gpus 4 " in said
    status, said = cluster_script("--set", "hardware.gpu=none")
    assert status == 0 and "--gpus" not in said
    status, said = cluster_script("--set", "hardware.gpu=none", "--gpus", "2")
    assert (status, said) == (2, "--gpus 2: hardware.gpu is none, and it trains on the CPU; leave --gpus out.\n")


def test_a_script_stays_in_its_folder() -> None:
    status, said = cluster_script("--set", "output.run_name=../../x", "--submit", "--detach")
    assert (status, said) == (0, "17\n")
    assert [path.name.startswith("x-") for path in (home() / "slurm").iterdir()] == [True]


@pytest.mark.parametrize("told", ["", "N/A"])
def test_a_run_stopped_by_hand_stays_so_where_nobody_knows_when_its_job_ends(
    tmp_path: Path, slurm: Path, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (slurm / "squeue").write_text(f"#!/bin/sh\necho {told}\n")
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    said = text(["bash", "-c", f'echo -n "$SLURM_JOB_END_TIME" >{tmp_path}/ends; exit 130'], tmp_path)
    ran = subprocess.run(["bash"], input=said, text=True, capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (130, "")
    assert not (tmp_path / "requeued").exists()
    assert (tmp_path / "ends").read_text() == "", "no time is better than midnight"


@pytest.mark.parametrize(
    ("status", "ends_in_s", "is_told", "is_requeued"),
    [
        (130, 5000, True, True),  # told that the time is up
        (130, 200, False, True),  # its own clock has told it
        (130, 5000, False, False),  # stopped by hand
        (0, 200, True, False),  # completed in time
        (1, 200, True, False),  # failed
    ],
)
def test_a_run_that_stops_for_the_end_of_its_job_goes_back_into_the_queue(
    tmp_path: Path, status: int, ends_in_s: int, is_told: bool, is_requeued: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = tmp_path / "began"
    code = (
        f"import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit({status})); "
        f"pathlib.Path({str(began)!r}).touch(); time.sleep({60 if is_told else 0}); sys.exit({status})"
    )
    path = tmp_path / "job.sh"
    path.write_text(text([sys.executable, "-c", code], tmp_path))
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + ends_in_s))
    job = subprocess.Popen(["bash", str(path)])
    deadline = time.monotonic() + 60
    while is_told and not began.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if is_told:
        os.kill(job.pid, signal.SIGTERM)
    assert job.wait(60) == status
    assert (tmp_path / "requeued").exists() == is_requeued


def test_a_job_is_submitted_or_refused_with_slurms_reason(tmp_path: Path) -> None:
    path = tmp_path / "job.sh"
    path.write_text(text(["true"], tmp_path))
    assert submit(path) == "17"
    path.write_text(text(["true"], tmp_path, partition="nowhere"))
    with pytest.raises(ValueError) as refused:
        submit(path)
    assert str(refused.value) == "sbatch refuses: Batch job submission failed: Invalid partition name specified."


def test_without_slurm_it_is_said_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"There is no sbatch on this machine; run this on a login node"):
        submit(tmp_path / "job.sh")


STATES = [
    ("PENDING|Resources|", "", JobState("PENDING", "Resources"), "is pending (Resources)", False),
    ("RUNNING|None|node[7-8]", "", JobState("RUNNING", "None", "node[7-8]"), "is running on node[7-8]", False),
    ("PENDING|BeginTime|", "", JobState("PENDING", "BeginTime"), "is pending (BeginTime)", False),
    ("TIMEOUT|TimeLimit|node7", "", JobState("TIMEOUT", "TimeLimit", "node7"), "has ended: timeout (TimeLimit)", True),
    (
        "",
        "JobId=17 JobName=a JobState=COMPLETED Reason=None Dependency=(null) NodeList=node7 NumNodes=1",
        JobState("COMPLETED", "None", "node7"),
        "has ended: completed",
        True,
    ),
]


@pytest.mark.parametrize(("queued", "shown", "state", "sentence", "is_over"), STATES, ids=lambda one: "")
def test_how_a_job_stands(
    queued: str, shown: str, state: JobState, sentence: str, is_over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUED", queued)
    monkeypatch.setenv("SHOWN", shown)
    found = state_of("17")
    assert found == state and found is not None
    assert (found.sentence, found.is_over) == (sentence, is_over)


def test_a_job_that_slurm_has_forgotten_is_none() -> None:
    assert state_of("17") is None
    assert issubclass(UnknownJob, ValueError)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"time": "4h"}, "--time 4h: this is no time limit; write it as 04:00:00, or 2-12:00:00 with days."),
        ({"more": ("qos=x",)}, "--sbatch qos=x: this is no option of sbatch; write it as --sbatch=--constraint=h100."),
    ],
)
def test_what_sbatch_would_not_take_is_refused(asked: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError) as refused:
        Asked("a", 1, **asked)  # type: ignore[arg-type]
    assert str(refused.value) == says


def test_the_run_of_a_job_is_found_by_what_its_folder_says() -> None:
    run = RunDir.create(runs_folder() / "of-a-job")
    run.recipe.write_text("")
    assert run_of_job("17") is None and job_of(run) is None
    job = Job.of_environment({"SLURM_JOB_ID": "17", "SLURMD_NODENAME": "node7"})
    assert job is not None
    job.write(run)
    assert job_of(run) == Job(scheduler="slurm", id="17", node="node7")
    found = run_of_job("17")
    assert found is not None and found.id == "of-a-job"
    assert Job.of_environment({}) is None
