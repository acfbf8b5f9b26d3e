"""The demo on an NVIDIA GPU: what a standby holds, what the gauges read, and that it trains and answers there."""

import os
import subprocess

import pytest

from cockpit.launch.engines import EngineKey, start_standby
from cockpit.machine.gpu import GpuProbe, GpuReport
from cockpit.machine.nvml import Nvml
from cockpit.protocol.commands import Unload
from cockpit.protocol.events import MachineRead, StepEnded
from cockpit.recipe.library import find_recipe
from cockpit.runs.link import new_command_id
from tests.engine.follower import Follower

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
        print(f"reply: {reply}\n{follower.state.phase_s}\n{gauge[-1]}\n{follower.all(StepEnded)[-1]}")
        started.link.send(Unload(id=new_command_id()))
        follower.until_exited()
    finally:
        if started.process.poll() is None:
            started.process.kill()
        print(started.link.run.engine_log.read_text()[-3000:])


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
