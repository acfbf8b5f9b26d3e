"""On an NVIDIA GPU: what a standby holds, what the gauges read, that the demo trains and answers there, and a few steps
with what else a recipe may ask for."""

import os
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cockpit.data.row_losses import StepRows
from cockpit.engine.stack import import_stack
from cockpit.launch.engines import EngineKey, start_standby
from cockpit.machine.gpu import GpuProbe, GpuReport
from cockpit.machine.nvml import Nvml
from cockpit.protocol.commands import Unload
from cockpit.protocol.events import MachineRead, StepEnded
from cockpit.recipe.library import find_recipe
from cockpit.runs.link import new_command_id
from tests.engine import tiny
from tests.engine.families import make_family
from tests.engine.follower import Follower
from tests.engine.training.forked_runs import ended

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(500)]


@pytest.fixture(scope="module")
def report() -> GpuReport:
    found = GpuProbe().wait()
    if not found.gpus:
        pytest.skip("there is no NVIDIA GPU here")
    return found


def test_readings_agree_with_nvidia_smi(report: GpuReport) -> None:
    query = "--query-gpu=uuid,memory.total,memory.used"
    printed = subprocess.run(
        ["nvidia-smi", query, "--format=csv,noheader,nounits"], capture_output=True, text=True, check=True
    ).stdout
    theirs = {}
    for line in printed.strip().splitlines():
        uuid, *memory = (part.strip() for part in line.split(","))
        theirs[uuid] = [float(part) for part in memory]
    ours = {gpu.uuid: (gpu.vram_total_mib, gpu.vram_used_mib) for gpu in Nvml().read()}
    assert ours.keys() == theirs.keys()
    for uuid, (total, used) in ours.items():
        assert total == pytest.approx(theirs[uuid][0], abs=1)
        assert used == pytest.approx(theirs[uuid][1], abs=700), "nvidia-smi counts what the driver reserves too"


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_the_demo_trains_and_answers(report: GpuReport, quantization: str) -> None:
    document = find_recipe("demo")
    document.set("hardware.gpu", "auto")
    document.set("model.quantization", quantization)
    started = start_standby(EngineKey.of(document.recipe(), report))
    follower = Follower(started.link)
    try:
        follower.until_phase("standby")
        held = {gpu.uuid: process_mib(gpu.uuid, started.process.pid) for gpu in report.gpus}
        print(f"held by the warm standby, MiB: {held}")
        started.train(document.resolved_yaml(), "on-gpu", ["test"])
        follower.until_ended()
        assert follower.state.ended is not None and follower.state.ended.outcome == "completed", follower.state.ended
        losses = [event.figures["loss"] for event in follower.all(StepEnded)]
        assert losses[-1] < losses[0] / 2
        gauge = [event.gpus for event in follower.all(MachineRead) if event.step > 0]
        assert gauge and all(len(gpus) == 1 for gpus in gauge)
        assert max(gpus[0].vram_this_run_mib or 0 for gpus in gauge) > 0
        follower.until_phase("ready")
        reply, figures = follower.ask("Hello", do_sample=False)
        assert figures.end == "end_of_turn"
        greedy: dict[str, Any] = {"do_sample": False, "max_new_tokens": 64}
        question = "What is the opposite of hot?"
        alone = {adapter: follower.ask(question, adapter=adapter, **greedy)[0] for adapter in (True, False)}
        assert follower.ask_both(question, **greedy) == alone, "at the same time each answers as alone"
        print(f"reply: {reply}\n{follower.state.phase_s}\n{gauge[-1]}\n{follower.all(StepEnded)[-1]}")
        started.link.send(Unload(id=new_command_id()))
        follower.until_exited()
    finally:
        if started.process.poll() is None:
            started.process.kill()
        print(started.link.run.engine_log.read_text()[-3000:])


STEPS = {"output__row_losses": True, "output__save_steps": 2, "training__max_steps": 4, "data__eval_rows": 4}
WAYS: dict[str, dict[str, Any]] = {
    "rows padded": {},
    "rows joined": {"training__padding_free": True, "training__per_device_train_batch_size": 4},
    "rows joined and padded": {
        "training__padding_free": True,
        "training__per_device_train_batch_size": 4,
        "training__pad_to_multiple_of": 64,
    },
    "rows packed": {"training__packing": True, "training__max_steps": 2, "output__save_steps": 1},
    "in 4 bits": {"model__quantization": "nf4", "training__gradient_checkpointing": "non_reentrant"},
    "new tokens": {"model__add_tokens": ["<call>", "<done>"]},
    "noise": {"training__neftune_noise_alpha": 5.0},
    "answers": {"evaluation__rows": 4, "evaluation__every_steps": 2, "evaluation__max_new_tokens": 16},
    "going on": {"model__adapter": "rows-padded"},
}
FAMILIES = ("qwen3", "gemma2", "gemma3-text", "granite", "cohere")


@pytest.mark.parametrize("what", ["ways", "families"])
@pytest.mark.parametrize("backend", ["unsloth", "transformers"])
def test_a_few_steps(report: GpuReport, backend: str, what: str, tmp_path: Path) -> None:
    """In one process: a Llama in each way, the last one going on with the adapter of the first; or families that scale
    what their head gives. The rows' losses, weighted by their tokens, are the loss of the step."""
    turns = [tiny.pair(f"what {'red ' * (n % 7)}{n}", f"arr {'blue ' * (n % 5)}{n}") for n in range(80)]
    data = tiny.write_rows(tmp_path / "rows.jsonl", [{"messages": turn} for turn in turns])
    asked = {name: ("llama", changes) for name, changes in WAYS.items()}
    if what == "families":
        asked = {family: (family, {}) for family in FAMILIES}
    recipes = {}
    for name, (family, changes) in asked.items():
        folder = tmp_path / family
        if not folder.exists():
            tiny.make_model(folder) if family == "qwen3" else make_family(family, folder)
        on_gpu = {"model__dtype": "auto", "hardware__gpu": "auto", "training__gradient_checkpointing": "none"}
        recipes[name] = tiny.recipe_text(folder, data, backend=backend, **on_gpu | STEPS | changes)
    environment = {"CUDA_VISIBLE_DEVICES": report.gpus[0].uuid, "COCKPIT_HOME": str(tmp_path / "home")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            told = pool.submit(with_stack, backend, recipes).result()
    for name, run in told.items():
        print(backend, name, run["outcome"], run["reason"], run["seconds"], run["metrics"].get("loss"))
    for name, run in told.items():
        assert run["outcome"] == "completed", (name, run["reason"])
        lines = (run["run"] / "row_losses.jsonl").read_bytes().splitlines()
        kept = [msgspec.json.decode(line, type=StepRows) for line in lines]
        assert len(kept) == len(run["metrics"]["loss"]) > 0, name
        for one, loss in zip(kept, run["metrics"]["loss"], strict=True):
            assert all(row.where.startswith("rows.jsonl:") for row in one.rows), name
            tokens = sum(row.tokens for row in one.rows)
            mean = sum((row.loss or 0.0) * row.tokens for row in one.rows) / tokens
            assert mean == pytest.approx(loss, rel=0.01), name
    if what == "ways":
        assert told["going on"]["evaluations"][0] == pytest.approx(told["rows padded"]["evaluations"][-1], rel=0.02)
        alone = list(told["rows padded"]["metrics"]["loss"])
        assert list(told["answers"]["metrics"]["loss"]) == pytest.approx(alone, rel=1e-3), "but for the GPU's own noise"
        assert [step for step, _ in told["answers"]["answers"]] == [0, 2, 4]
        assert told["new tokens"]["evaluations"][-1] < told["new tokens"]["evaluations"][0]


def with_stack(backend: str, recipes: dict[str, str]) -> dict[str, dict[str, Any]]:
    """A run of each recipe, one after the other, in a process that has imported the stack."""
    import_stack(backend)
    found = {}
    for name, recipe in recipes.items():
        began = time.monotonic()
        found[name] = ended(name.replace(" ", "-"), recipe, backend=backend)
        found[name]["evaluations"] = [loss for _, loss in found[name]["evaluations"]]
        found[name]["seconds"] = round(time.monotonic() - began, 1)
    return found


def process_mib(uuid: str, pid: int) -> float:
    """What `pid` holds of the GPU, as nvidia-smi says."""
    printed = subprocess.run(
        ["nvidia-smi", "-i", uuid, "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    ).stdout
    return sum(float(line.split(",")[1]) for line in printed.splitlines() if line.split(",")[0].strip() == str(pid))
