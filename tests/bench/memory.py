"""The memory forecast against what runs take: each in a process of its own, several at once on one NVIDIA GPU.

usage: python -m tests.bench.memory [--folder DIR] [--out FILE] [--together N] [--budget S] [--within S] [--only TEXT..]
       python -m tests.bench.memory --again FILE       forecast and compare anew what FILE has measured; needs no GPU
       python -m tests.bench.memory --list
Weights are zero (tests.bench.hollow_models), rows fill the sequence, so that every micro-batch is as large as can be.
Runs begin while the forecasts of those that run leave room, none after --budget seconds, and all end within --within.
What is compiled stays on: it decides what a layer keeps. A run's peak is the most that torch had reserved, and what the
process takes beside it (CUDA, kernels): as the driver says, or where it does not know whose memory it is, fitted to the
sum of all. SUFFIX=-tiny in the environment takes models for the CPU: that shows that the script runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from cockpit.preflight.memory import Device, Forecast, Lengths, forecast
from tests.bench.memory_cases import CASES, Case, case
from tests.bench.random_models import WORDS, shape_of

FAMILIES = {"LlamaConfig": "llama", "MistralConfig": "mistral", "Qwen3Config": "qwen3", "Gemma3Config": "gemma3_text"}
"""Classes of configurations -> model_type of the part that writes text."""
SPARE = 1.15
"""Room that a run is given beyond its forecast."""
EDGE_S, OUTLIER = 0.5, 64 << 20
"""Samples so near to a process's first or last one are left out of the fit, and those that are so many bytes off."""
ENDING_S = 15.0
"""After the deadline a run may still say what it has measured."""
GIB = 2**30


def forecast_of(one: Case, device: Device) -> Forecast:
    """The forecast of a case, whose rows all fill the sequence."""
    lengths = Lengths(one.length, one.length, alike=True)
    found = forecast(config_of(one.model), one.recipe("/model", "/rows.jsonl"), device, lengths=lengths)
    assert found is not None, one.model
    return found


def config_of(name: str) -> dict[str, Any]:
    """What config.json of the model says, without the libraries that would write it."""
    shape = shape_of(name)
    family = FAMILIES[shape.config]
    if shape.vision is None:
        return {"model_type": family, **shape.arguments}
    vision = {"model_type": "siglip_vision_model", **shape.vision}
    return {"model_type": "gemma3", "text_config": {"model_type": family, **shape.arguments}, "vision_config": vision}


def write_rows(path: Path, length: int) -> None:
    """Texts of more than `length` tokens each, as every word is one token or more: enough of them for any case."""
    words = WORDS.split()
    texts = (" ".join(words[(i * 7 + j * (i + 3)) % len(words)] for j in range(length + 8)) for i in range(64))
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


class Bench:
    """The runs that go on, and the results of those that are over."""

    def __init__(self, folder: Path, device: Device, deadline: float) -> None:
        """`deadline` in time.time(): runs end by themselves then."""
        self.folder, self.device, self._deadline = folder, device, deadline
        self.results: list[dict[str, Any]] = []
        self.needs: dict[str, int] = {}
        self._lock = threading.Lock()

    def fits(self, needed: int) -> bool:
        """Whether a run that needs so many bytes may begin beside those that go on."""
        with self._lock:
            taken = sum(self.needs.values())
        return not self.needs or (taken + needed) * SPARE <= self.device.free

    def start(self, one: Case, found: Forecast) -> threading.Thread:
        """Begin a run; its result comes later."""
        with self._lock:
            self.needs[one.name] = found.peak.total
        thread = threading.Thread(target=self._run, args=(one, found))
        thread.start()
        return thread

    def _run(self, one: Case, found: Forecast) -> None:
        environment = os.environ | {
            "COCKPIT_HOME": str(self.folder / "home" / one.name),
            # Unsloth's own files must not meet those of another process; Triton's and Inductor's may.
            "XDG_CACHE_HOME": str(self.folder / "cache" / one.name),
            "TORCHINDUCTOR_CACHE_DIR": str(self.folder / "inductor"),
            "TRITON_CACHE_DIR": str(self.folder / "triton"),
            "TORCHINDUCTOR_COMPILE_THREADS": "4",
            "HF_HUB_OFFLINE": "1",
            "DEADLINE": str(self._deadline),
        }
        command = [sys.executable, "-m", "tests.bench.memory_run", str(self.folder), one.name]
        path = self.folder / f"{one.name}.log"
        with path.open("w") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
            try:
                printed, _ = process.communicate(timeout=max(1.0, self._deadline + ENDING_S - time.time()))
            except subprocess.TimeoutExpired:
                process.kill()
                printed, _ = process.communicate()
        lines = [line for line in printed.splitlines() if line.startswith("FIGURES ")]
        ended = f"status {process.returncode}: {path.read_text(errors='replace')[-600:]}"
        figures = json.loads(lines[-1][8:]) if lines else {"problem": ended}
        with self._lock:
            del self.needs[one.name]
            self.results.append({"case": one.name, "forecast": as_json(found), "measured": figures})
        print(f"{one.name}: {figures['problem'] or str(figures['took_s']) + ' s'}", flush=True)


def as_json(found: Forecast) -> dict[str, Any]:
    """A forecast, phase by phase and part by part, in bytes."""
    return {
        "peak": found.peak.total,
        "phase": found.peak.phase,
        "tokens": found.tokens,
        "moments": {moment.phase: dict(moment.parts) for moment in found.moments},
    }


class TotalUsed:
    """What the driver says that the whole GPU has in use, over time."""

    def __init__(self, gpu: Any) -> None:
        import pynvml

        self.samples: list[tuple[float, int]] = []
        self._gpu, self._nvml = gpu, pynvml
        if gpu is not None:
            threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while True:
            self.samples.append((time.time(), self._nvml.nvmlDeviceGetMemoryInfo(self._gpu).used))
            time.sleep(0.05)


def contexts(folder: Path, results: list[dict[str, Any]], samples: list[tuple[float, int]]) -> dict[str, float]:
    """What each process took beside what torch had reserved, fitted to what all together had in use: before its first
    step, and after. Where the driver tells it of each process, that is taken."""
    import numpy as np

    names = [one["case"] for one in results if (folder / f"{one['case']}.reserved").exists()]
    logs = {}
    for name in names:
        rows = [line.split() for line in (folder / f"{name}.reserved").read_text().splitlines()]
        rows = [row for row in rows if len(row) == 3]
        if rows:
            logs[name] = np.array(rows, dtype=float)
    if not logs or not samples:
        return {}
    base = min(used for _, used in samples)
    order = list(logs)
    left, right = [], []
    edges = [edge for log in logs.values() for edge in (log[0, 0], log[-1, 0])]
    for at, used in samples:
        if any(abs(at - edge) < EDGE_S for edge in edges):
            continue  # a process that comes or goes holds more or less than its log says
        row, known = [0.0] * (1 + len(order)), 0.0  # before its first step each process is taken to be like the others
        for index, name in enumerate(order):
            log = logs[name]
            if log[0, 0] <= at <= log[-1, 0]:
                newest = log[int(np.searchsorted(log[:, 0], at, side="right")) - 1]
                known += newest[1]
                row[1 + index if newest[2] else 0] += 1.0
        if any(row):
            left.append(row)
            right.append(used - base - known)
    if not left:
        return {}
    matrix, rest = np.array(left), np.array(right)
    fitted, *_ = np.linalg.lstsq(matrix, rest, rcond=None)
    for _ in range(3):  # without the moments at which a log was a little behind
        good = np.abs(rest - matrix @ fitted) < OUTLIER
        fitted, *_ = np.linalg.lstsq(matrix[good], rest[good], rcond=None)
    return {name: float(fitted[1 + index]) for index, name in enumerate(order)}


def peak_of(measured: dict[str, Any], context: float) -> float:
    """Bytes: as the driver says, or the most that was reserved and what the process took beside it."""
    reserved: int = max((phase["reserved"] for phase in measured["phases"].values()), default=0)
    return float(measured["driver_peak"]) or reserved + context


def table(results: list[dict[str, Any]]) -> None:
    """Print forecast beside measured: all, then what is held, what comes and goes, and what the process takes."""
    print(f"\n{'GiB':<66}{'forecast':>9}{'measured':>9}{'off':>8}{'held':>15}{'passing':>15}{'context':>13}")
    offs = []
    for one in results:
        measured = one["measured"]
        if "training" not in measured.get("phases", {}):
            print(f"{one['case']:<66}  {measured['problem'][:100] or 'nothing was measured: there is no GPU'}")
            continue
        parts = one["forecast"]["moments"]["step"]
        held = sum(parts[name] for name in ("weights", "adapter", "optimizer"))  # gradients are gone between steps
        passing = sum(parts[name] for name in ("gradients", "activations", "logits", "buffers"))
        stepped = measured["phases"]["training"]["allocated"]
        between = measured["after_step"][-1] if measured["after_step"] else 0
        reserved = max(phase["reserved"] for phase in measured["phases"].values())
        peak = measured["peak"]
        off = one["forecast"]["peak"] / peak - 1 if peak else 0.0
        offs.append(abs(off))
        print(
            f"{one['case']:<66}{one['forecast']['peak'] / GIB:>9.2f}{peak / GIB:>9.2f}{100 * off:>+7.1f}%"
            f"{held / GIB:>8.2f}{between / GIB:>7.2f}{passing / GIB:>8.2f}{(stepped - between) / GIB:>7.2f}"
            f"{parts['context'] / GIB:>7.2f}{(peak - reserved) / GIB:>6.2f}"
        )
    if offs:
        print(
            f"{len(offs)} runs: within 5 % {sum(off <= 0.05 for off in offs)}, 10 % {sum(off <= 0.1 for off in offs)}"
        )


def again(path: Path) -> None:
    """Forecast anew what was measured, with the formula as it is now."""
    content = json.loads(path.read_text())
    device = Device(content["total"], content["free"])
    for one in content["results"]:
        one["forecast"] = as_json(forecast_of(case(one["case"]), device))
    table(content["results"])


def main() -> None:
    """Measure, print, and write all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("memory_bench"))
    parser.add_argument("--out", type=Path, default=Path("memory.json"))
    parser.add_argument("--together", type=int, default=6)
    parser.add_argument("--budget", type=float, default=380.0)
    parser.add_argument("--within", type=float, default=500.0)
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--again", type=Path)
    asked = parser.parse_args()
    if asked.again:
        again(asked.again)
        return
    cases = [one for one in CASES if any(text in one.name for text in asked.only)]
    if asked.list:
        print("\n".join(one.name for one in cases))
        return
    measure(asked, cases)


def measure(asked: argparse.Namespace, cases: list[Case]) -> None:
    """Run the cases."""
    began, suffix = time.time(), os.environ.get("SUFFIX", "")
    folder: Path = asked.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "rows.jsonl", max(one.length for one in cases))
    models = list(dict.fromkeys(one.model + suffix for one in cases))
    command = [sys.executable, "-m", "tests.bench.hollow_models", str(folder / "models"), *models]
    writer = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    gpu, device = first_gpu()
    used = TotalUsed(gpu)
    bench = Bench(folder, device, began + asked.within)
    threads: list[threading.Thread] = []
    waiting = [(one, forecast_of(one, device)) for one in cases]
    while waiting and time.time() < began + asked.budget:
        going = sum(thread.is_alive() for thread in threads)
        ready = next((pair for pair in waiting if bench.fits(pair[1].peak.total)), None)
        if going >= asked.together or ready is None:
            time.sleep(0.2)
            continue
        waiting.remove(ready)
        threads.append(bench.start(*ready))
        time.sleep(1.0)
    for thread in threads:
        thread.join()
    writer.wait()
    finish(asked.out, bench, used.samples)
    left = ", ".join(one.name for one, _ in waiting)
    print(f"{time.time() - began:.0f} s" + (f"; not begun: {left}" if left else ""))


def first_gpu() -> tuple[Any, Device]:
    """The driver's handle of the first GPU that is ours, and its memory; None where there is none."""
    import pynvml

    try:
        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByIndex(int(os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]))
    except (pynvml.NVMLError, ValueError):
        return None, Device(139 * GIB, 139 * GIB)
    memory = pynvml.nvmlDeviceGetMemoryInfo(gpu)
    return gpu, Device(int(memory.total), int(memory.free))


def finish(out: Path, bench: Bench, samples: list[tuple[float, int]]) -> None:
    """Add each run's peak, write all, and print the table."""
    order = [one.name for one in CASES]
    results = sorted(bench.results, key=lambda one: order.index(one["case"]))
    content = {"total": bench.device.total, "free": bench.device.free, "results": results}
    out.write_text(json.dumps(content))  # before anything can fail that is reckoned from it
    fitted = contexts(bench.folder, results, samples)
    for one in results:
        one["context_fitted"] = fitted.get(one["case"], 0.0)
        if one["measured"].get("phases"):
            one["measured"]["peak"] = peak_of(one["measured"], one["context_fitted"])
    out.write_text(json.dumps(content))
    table(results)


if __name__ == "__main__":
    main()
