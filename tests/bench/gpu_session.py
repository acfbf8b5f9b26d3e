"""What waits for a GPU, as whole calls for a machine that is lent for minutes: a log for each job, and its last lines.

usage: python -m tests.bench.gpu_session CALL [--only JOB ...] [--seconds N] [--work DIR] [--out DIR] [--list]
CALL is speed, chat, room, methods, ejected, runs, or scaling (two GPUs and more). Jobs that measure go one after the
other; those that only look for faults or memory go side by side. Each has its own limit, and at most what is left of
--seconds (540); a job that would get less than a third of its limit is left out, and named. Models of random weights
are written to DIR/models first. The output of a job is in OUT/JOB.log. Status 1 where a job failed or was left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.methods import rows_of

PYTHON = shlex.quote(sys.executable)
TAIL = 12
"""Lines of a job's log that are printed."""
WORTH = 3
"""A job is begun where this part of its limit is left."""


@dataclass(frozen=True)
class Job:
    """`command` by the shell, with {work} and {out} for folders. `limit_s`: seconds that it may take. `beside`: goes
    side by side with its neighbours that may too, as none of them measures times."""

    name: str
    limit_s: int
    command: str
    beside: bool = False


@dataclass(frozen=True)
class Call:
    """Models of tests.bench.random_models that its jobs need, and the jobs, what matters most first."""

    models: tuple[str, ...]
    jobs: tuple[Job, ...]


def script(name: str, limit_s: int, module: str, arguments: str, *, beside: bool = False) -> Job:
    """A script of tests/."""
    return Job(name, limit_s, f"{PYTHON} -m tests.{module} {arguments}", beside)


def cockpit(name: str, limit_s: int, *commands: str) -> Job:
    """Commands of cockpit in a home of their own, whose logs are brought back."""
    home = f"{{work}}/home-{name}"
    done = " && ".join(f"COCKPIT_HOME={home} {PYTHON} -m cockpit {command}" for command in commands)
    large = "--exclude='*.safetensors' --exclude='*.pt' --exclude='*.bin'"
    return Job(name, limit_s, f"{done}; s=$?; tar czf {{out}}/{name}.tgz {large} -C {home} .; exit $s")


def speed(name: str, model: str, how: str) -> Job:
    """Contenders on a model: they import beside those of the other jobs, and train when the GPU is theirs."""
    where = f"--folder {{work}}/speed-{name} --lock {{work}}/gpu.lock --out {{out}}/{name}.json"
    return script(name, 520, "bench.speed", f"{model} {where} {how}", beside=True)


def ejected(name: str, recipe: str, model: str, rows: str, more: str = "") -> Job:
    """A recipe's script against its run, 12 steps each."""
    given = f"{recipe} --model {{work}}/models/{model} --data {{work}}/{rows}.jsonl --folder {{work}}/ejected-{name}"
    return script(name, 150, "bench.ejected", f"{given} --set training.max_steps=12 {more}")


ONE_LLAMA = "llama-3.2-1b --model {work}/models/llama-3.2-1b --data {work}/sft.jsonl"
QLORA = "llama-3-8b --model {work}/models/llama-3-8b --data {work}/pretraining.jsonl"
OUT = "--out {out}"
PACKING = "--only packing padding_free --within 190"
METHODS = "qwen3-0.6b --together 5 --set grpo.max_completion_length=128"
ONE_GPU = "llama-3-8b --gpus 1 --ways as-written --torchrun"
STEPS = "--set training.max_steps=200"
SMALL = "gemma-3-4b llama-3-8b qwen3-8b phi-4 gemma-3-4b-vision llama-3.2-1b"
CALLS = {
    "speed": Call(
        (),
        (
            speed("gemma", "gemma-3-4b", "--steps 11 --skip 5 --only script fit"),
            speed("qwen", "qwen3-8b", "--only script fit"),
            speed("llama-full", "llama-3-8b", "--rows full --length 2048 --only fit written"),
        ),
    ),
    "chat": Call(
        ("gemma-3-4b", "llama-3-8b"),
        (
            script(
                "gemma", 170, "bench.chat", "{work}/models/gemma-3-4b --rounds 1 --tokens 96 --json {out}/gemma.json"
            ),
            script(
                "llama", 130, "bench.chat", "{work}/models/llama-3-8b --rounds 1 --tokens 96 --json {out}/llama.json"
            ),
            script("batches", 100, "bench.batches", "{work}/models/llama-3-8b --prompts 100"),
            Job("marked", 200, f"{PYTHON} -m pytest -m gpu -n 0 -q -p no:cacheprovider tests/engine", beside=True),
            script("replies", 150, "bench.same_replies", "embedded:demo --tokens 48 --backend unsloth", beside=True),
        ),
    ),
    "room": Call(
        (),
        (
            script("small-cards", 330, "bench.small_cards", f"{{work}}/cards --gib 16 --only {SMALL} {OUT}/cards.json"),
            script("packing", 200, "bench.memory", f"{PACKING} --folder {{work}}/memory {OUT}/memory.json"),
            script("out-of-memory", 150, "torture.out_of_memory", "--hog 12 --folder {work}/out_of_memory"),
        ),
    ),
    "methods": Call(
        ("llama-3-8b",),
        (
            script("methods", 300, "bench.methods", f"{METHODS} --folder {{work}}/methods {OUT}/methods.json"),
            script("attached", 240, "bench.attached", f"--pairs 4 --folder {{work}}/attached {OUT}/attached.json"),
            script("torchrun", 240, "bench.scaling", f"{ONE_GPU} --folder {{work}}/models {OUT}/torchrun.json"),
        ),
    ),
    "ejected": Call(
        ("qwen3-0.6b", "llama-3-8b"),
        (
            ejected("sft", "qwen3-0.6b", "qwen3-0.6b", "sft"),
            ejected("dpo", "qwen3-0.6b-dpo", "qwen3-0.6b", "dpo"),
            ejected("texts", "llama-3-8b", "llama-3-8b", "pretraining"),
            ejected("packed", "qwen3-0.6b", "qwen3-0.6b", "sft", "--set training.packing=true"),
        ),
    ),
    "runs": Call(
        ("llama-3.2-1b", "llama-3-8b"),
        (
            cockpit("one", 150, f"train {ONE_LLAMA} {STEPS}"),
            cockpit("two-at-once", 260, f"queue add {ONE_LLAMA} --grid training.seed=1,2 {STEPS}", "queue run"),
            cockpit("tune", 260, f"tune {QLORA} --budget 3m --json"),
        ),
    ),
    "scaling": Call(
        ("llama-3-8b", "llama-3.2-1b"),
        (
            cockpit("doctor", 60, "doctor --gpus"),
            script(
                "scaling",
                400,
                "bench.scaling",
                "llama-3-8b --gpus 1 2 --ways as-written auto bf16 --folder {work}/models --out {out}/scaling.json",
            ),
            script(
                "fsdp",
                300,
                "bench.scaling",
                "llama-3-8b --gpus 1 2 --ways plain fsdp --steps 15 --folder {work}/models --out {out}/fsdp.json",
            ),
            cockpit("two-gpus", 120, f"train {ONE_LLAMA} --gpus 2 --set training.max_steps=40"),
        ),
    ),
}


class Session:
    """A call's jobs, within its time."""

    def __init__(self, work: Path, out: Path, seconds: float) -> None:
        """`seconds` from now."""
        self.work, self.out, self.deadline = work, out, time.monotonic() + seconds
        self.ended: dict[str, str] = {}
        """How each job ended."""

    def make(self, models: tuple[str, ...]) -> None:
        """Rows and models, all at once."""
        for method in ("sft", "pretraining", "dpo"):
            rows = "".join(json.dumps(row) + "\n" for row in rows_of(method))
            (self.work / f"{method}.jsonl").write_text(rows)
        self.run([script(f"model-{name}", 150, "bench.random_models", f"{{work}}/models {name}") for name in models])

    def run(self, jobs: list[Job]) -> None:
        """Side by side, each to its end or limit."""
        began = time.monotonic()
        going = [(job, limit, self._start(job)) for job in jobs if (limit := self._limit(job))]
        for job, limit, process in going:
            try:
                status = process.wait(max(0.0, began + limit - time.monotonic()))
                how = "done" if status == 0 else f"failed with {status}"
            except subprocess.TimeoutExpired:
                how = "was not done in time"
            finally:
                kill_group(process)
            self._tell(job, f"{how}, {time.monotonic() - began:.0f} s")

    def _limit(self, job: Job) -> float:
        """Seconds; 0 and a word where it is not worth while to begin."""
        left = self.deadline - time.monotonic()
        if left < job.limit_s / WORTH:
            self._tell(job, "left out: no time")
            return 0.0
        return min(float(job.limit_s), left)

    def _start(self, job: Job) -> subprocess.Popen[bytes]:
        command = job.command.format(work=self.work, out=self.out)
        with (self.out / f"{job.name}.log").open("wb") as log:
            return subprocess.Popen(
                command, shell=True, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True, env=os.environ | {"HF_HUB_OFFLINE": "1"},
            )  # fmt: skip

    def _tell(self, job: Job, how: str) -> None:
        self.ended[job.name] = how
        print(f"== {job.name}: {how}", flush=True)
        log = self.out / f"{job.name}.log"
        if log.exists() and not job.name.startswith("model-"):
            print("\n".join(log.read_text(errors="replace").splitlines()[-TAIL:]), flush=True)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End what the job has left behind."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def in_turn(jobs: tuple[Job, ...]) -> list[list[Job]]:
    """Neighbours that may go side by side, together; others alone."""
    turns: list[list[Job]] = []
    for job in jobs:
        if turns and job.beside and turns[-1][-1].beside:
            turns[-1].append(job)
        else:
            turns.append([job])
    return turns


def main() -> int:
    """Do the call."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("call", choices=CALLS)
    parser.add_argument("--only", nargs="+", metavar="JOB")
    parser.add_argument("--seconds", type=float, default=540.0)
    parser.add_argument("--work", type=Path, default=Path("gpu_work"))
    parser.add_argument("--out", type=Path, default=Path("gpu_out"))
    parser.add_argument("--list", action="store_true", help="print the jobs' commands, and do nothing")
    asked = parser.parse_args()
    call, work, out = CALLS[asked.call], asked.work.resolve(), asked.out.resolve()
    jobs = tuple(job for job in call.jobs if not asked.only or job.name in asked.only)
    if asked.list:
        for job in jobs:
            print(f"{job.name} ({job.limit_s} s): {job.command.format(work=work, out=out)}")
        return 0
    for folder in (work, out):
        folder.mkdir(parents=True, exist_ok=True)
    session = Session(work, out, asked.seconds)
    session.make(call.models)
    for turn in in_turn(jobs):
        session.run(turn)
    print(json.dumps(session.ended, indent=1))
    return int(not all(how.startswith("done") for how in session.ended.values()))


if __name__ == "__main__":
    sys.exit(main())
