"""One run of tests.bench.memory in a process of its own: trains the case by cockpit's engine and says what it took.

usage: python -m tests.bench.memory_run FOLDER CASE     while tests.bench.hollow_models writes the folder's models
DEADLINE in the environment is the time (of time.time()) at which it ends with what it has measured. The last line of
stdout is JSON: phases are the engine's; bytes are torch's and, of the whole process, the driver's.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.bench.hollow_models import READY
from tests.bench.memory_cases import Case, case

MODEL_WITHIN_S = 110.0
"""An engine that is not told to train within two minutes ends."""
SAMPLE_EVERY_S = 0.05
TRACE_ENTRIES = 2_000_000
SIZES = 24
"""Kinds of blocks that are named of the fullest moment."""


class Meter:
    """What the allocator says, phase by phase."""

    def __init__(self, log: Path) -> None:
        """`log` gets a line for each sample: time, bytes reserved, whether the first step is over."""
        self.phases: dict[str, dict[str, int]] = {}
        self.after_step: list[int] = []
        """Bytes allocated after each step."""
        self.moment: dict[str, Any] = {}
        self.driver_peak = 0
        """Of this process, as the driver says; 0 where it does not know whose memory it is."""
        self._phase = "importing"
        self._log = log.open("w")
        threading.Thread(target=self._sample, daemon=True).start()

    def enter(self, phase: str) -> None:
        """What the phase before took at most is known."""
        cuda = used_cuda()
        if cuda is not None:
            peaks = {
                "allocated": cuda.max_memory_allocated(),
                "reserved": cuda.max_memory_reserved(),
                "allocated_at_end": cuda.memory_allocated(),
            }
            before = self.phases.get(self._phase, {})
            peaks = {name: max(size, before.get(name, 0)) for name, size in peaks.items()}
            self.phases[self._phase] = peaks
            cuda.reset_peak_memory_stats()
        self._phase = phase

    def step_done(self, step: int) -> None:
        """The third step is watched block by block."""
        cuda = used_cuda()
        if cuda is None:
            return
        self.after_step.append(cuda.memory_allocated())
        try:
            if step == 2:
                self._before = live_blocks(cuda.memory._snapshot())
                cuda.memory._record_memory_history(enabled="all", context=None, max_entries=TRACE_ENTRIES)
            elif step == 3:
                snapshot = cuda.memory._snapshot()
                cuda.memory._record_memory_history(enabled=None)
                self.moment = fullest_moment(self._before, snapshot["device_traces"][cuda.current_device()])
        except Exception as error:  # private names of torch: the peaks do not hang on them
            self.moment = {"problem": repr(error)}

    def _sample(self) -> None:
        import pynvml

        try:
            pynvml.nvmlInit()
            gpu = pynvml.nvmlDeviceGetHandleByUUID(os.environ["CUDA_VISIBLE_DEVICES"])
        except (pynvml.NVMLError, KeyError):
            gpu = None
        while True:
            cuda = used_cuda()
            if cuda is not None:
                self._log.write(f"{time.time():.3f} {cuda.memory_reserved()} {int(bool(self.after_step))}\n")
                self._log.flush()
            if gpu is not None:
                with contextlib.suppress(pynvml.NVMLError):
                    held = [one for one in pynvml.nvmlDeviceGetComputeRunningProcesses(gpu) if one.pid == os.getpid()]
                    self.driver_peak = max([self.driver_peak, *(one.usedGpuMemory or 0 for one in held)])
            time.sleep(SAMPLE_EVERY_S)


def used_cuda() -> Any:
    """torch.cuda once something uses it."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    try:
        return cuda if cuda is not None and cuda.is_initialized() else None
    except AttributeError:  # half imported
        return None


def live_blocks(snapshot: dict[str, Any]) -> dict[int, int]:
    """Address and bytes of each block that is in use."""
    found = {}
    for segment in snapshot["segments"]:
        address = segment["address"]
        for block in segment["blocks"]:
            if block["state"] == "active_allocated":
                found[block.get("address", address)] = block.get("requested_size") or block["size"]
            address += block["size"]
    return found


def fullest_moment(before: dict[int, int], trace: list[dict[str, Any]]) -> dict[str, Any]:
    """Which blocks were in use when most was: bytes of those from before, and sizes and numbers of the new ones."""
    live, total = dict(before), sum(before.values())
    most, at = total, -1
    for index, entry in enumerate(trace):
        if entry["action"] == "alloc":
            live[entry["addr"]] = entry["size"]
            total += entry["size"]
            if total > most:
                most, at = total, index
        elif entry["action"] == "free_completed":
            total -= live.pop(entry["addr"], 0)
    live, new = dict(before), dict[int, int]()
    for entry in trace[: at + 1]:
        if entry["action"] == "alloc":
            new[entry["addr"]] = entry["size"]
        elif entry["action"] == "free_completed":
            (new if entry["addr"] in new else live).pop(entry["addr"], None)
    sizes = Counter(new.values())
    largest = sorted(sizes.items(), key=lambda one: -one[0] * one[1])[:SIZES]
    return {"bytes": most, "from_before": sum(live.values()), "new": [[size, number] for size, number in largest]}


def watch(meter: Meter) -> None:
    """Let the engine tell the meter of its phases and steps."""
    from cockpit.engine.journal import Journal
    from cockpit.engine.worker import Worker

    enter, step_done = Journal.enter_phase, Worker.step_done

    def entered(self: Journal, phase: Any, detail: str = "") -> None:
        meter.enter(phase)
        enter(self, phase, detail)

    def done(self: Worker, step: int) -> None:
        meter.step_done(step)
        step_done(self, step)

    Journal.enter_phase = entered  # type: ignore[method-assign]
    Worker.step_done = done  # type: ignore[method-assign]


def run(folder: Path, wanted: Case, suffix: str) -> dict[str, Any]:
    """Train it, and what that took."""
    from cockpit.cli.in_process import host_engine
    from cockpit.launch.engines import EngineKey
    from cockpit.machine.gpu import GpuProbe
    from cockpit.protocol.events import LogWritten, PhaseStarted, RunEnded, StepEnded

    began = time.time()
    place = folder / "models" / (wanted.model + suffix)
    document = wanted.document(str(place), str(folder / "rows.jsonl"))
    recipe = document.recipe()
    key = EngineKey.of(recipe, GpuProbe().wait())
    os.environ.update(key.environment())
    meter = Meter(folder / f"{wanted.name}.reserved")
    watch(meter)
    started = host_engine(key, "bench")
    while not (place / READY).exists():  # the engine imports meanwhile
        if time.time() > began + MODEL_WITHIN_S:
            return {"problem": "its model was not written"}
        time.sleep(0.2)
    started.train(document.resolved_yaml(), "bench", [])
    phases: list[str] = []
    deadline = float(os.environ.get("DEADLINE", began + 600))
    figures: dict[str, Any] = {"problem": "not done in time", "phases_at": phases, "said": []}
    while time.time() < deadline and figures["problem"]:
        for event in started.link.poll():
            if isinstance(event, PhaseStarted):
                phases.append(f"{event.phase} @{event.at - began:.0f}")
            elif isinstance(event, StepEnded):
                phases.append(f"step {event.step} @{event.at - began:.0f}")
            elif isinstance(event, LogWritten) and event.level != "info":
                figures["said"].append(event.text[:200])
            elif isinstance(event, RunEnded):
                figures["problem"] = "" if event.outcome == "completed" else f"{event.outcome}: {event.reason}"
                break
        time.sleep(0.05)
    meter.enter("over")
    figures |= {"phases": meter.phases, "after_step": meter.after_step, "moment": meter.moment}
    return figures | {"driver_peak": meter.driver_peak, "took_s": round(time.time() - began)}


def main() -> None:
    """Run the case, print its figures, and end at once whatever threads are left."""
    out = sys.stdout  # what the stack prints goes elsewhere from here on
    figures = run(Path(sys.argv[1]), case(sys.argv[2]), os.environ.get("SUFFIX", ""))
    print("FIGURES", json.dumps(figures), file=out, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
