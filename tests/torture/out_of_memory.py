"""A real CUDA out-of-memory in a real app, recovered by one key, on one NVIDIA GPU

python -m tests.torture.out_of_memory [NAME] [--backend B] [--hog GIB] [--folder DIR] starts a run whose micro-batch
cannot fit, as the forecast has it: 1.35 times what is free. The app shows why it failed and what would need less; `h`
launches the first of these, half as many rows at once, which fits, and that run trains to its end. NAME is one of
tests.bench.random_models (qwen3-0.6b); its weights are zero. --hog: another process holds the card but for so many GiB,
and the app says who does. The last line is RESULT.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cockpit.machine.gpu import GpuProbe
from cockpit.models.folder import ModelFolder
from cockpit.preflight.memory import Device, Lengths
from cockpit.preflight.room import forecast_for
from cockpit.protocol import events as ev
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.folder import RunDir, all_runs
from cockpit.runs.state import RunState
from tests.bench.memory import write_rows
from tests.bench.plain_run import RECIPE
from tests.terminal import Terminal
from tests.torture.twice import logged

TOO_MUCH = 1.35
LENGTH = 2048
STEPS = 3
WAITS_S = 150.0
HOG = """
import sys, time, torch
free, _ = torch.cuda.mem_get_info()
held = torch.empty(max(1, int(free - float(sys.argv[1]) * 2**30)), dtype=torch.uint8, device="cuda")
print("holds", held.numel() // 2**20, "MiB", flush=True)
time.sleep(600)
"""


@contextmanager
def hog(leaves_gib: float | None) -> Iterator[None]:
    """Another process holds all of the card but for so many GiB meanwhile."""
    if leaves_gib is None:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", HOG, str(leaves_gib)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        print("the hog", process.stdout.readline().strip(), flush=True)
        yield
    finally:
        process.kill()
        process.wait()


def document_for(asked: argparse.Namespace, folder: Path, batch: int) -> RecipeDocument:
    """The recipe with that micro-batch."""
    text = RECIPE.format(
        backend=asked.backend, model=folder / "models" / asked.name, length=LENGTH, rows=folder / "rows.jsonl",
        batch=batch, steps=STEPS, title="too large",
    )  # fmt: skip
    return RecipeDocument.parse(text, "too-large.yaml")


def too_large(asked: argparse.Namespace, folder: Path) -> int:
    """The even micro-batch that comes nearest to TOO_MUCH times what is free."""
    if asked.batch:
        return int(asked.batch)
    (gpu,) = GpuProbe().wait().visible()[:1]
    assert gpu.vram_total_mib is not None and gpu.vram_used_mib is not None, "the driver does not tell its memory"
    free = round((gpu.vram_total_mib - gpu.vram_used_mib) * 2**20)
    device, model = Device(round(gpu.vram_total_mib * 2**20), free), ModelFolder.at(folder / "models" / asked.name)

    def off(batch: int) -> float:
        found = forecast_for(document_for(asked, folder, batch).recipe(), model, device, lengths=full)
        assert found is not None
        return abs(found.peak.total / free - TOO_MUCH)

    full = Lengths(LENGTH, LENGTH, alike=True)
    return min(range(2, 400, 2), key=off)


def ends(folder: Path) -> list[ev.RunEnded]:
    """How the attempts of all runs have ended, in time."""
    found = [event for run in all_runs() for event in logged(run) if isinstance(event, ev.RunEnded)]
    return sorted(found, key=lambda event: event.at)


def state_of(run: RunDir) -> RunState:
    """The run as its log tells it."""
    state = RunState()
    state.take(logged(run))
    return state


def recover(asked: argparse.Namespace, folder: Path) -> None:
    """Let it run out of memory, press the key, and wait until the run has trained to its end."""
    began, batch = time.monotonic(), too_large(asked, folder)
    recipe = folder / "too-large.yaml"
    recipe.write_text(document_for(asked, folder, batch).resolved_yaml())
    start = [sys.executable, "-m", "cockpit", "train", str(recipe), "--detach"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with Terminal([sys.executable, "-m", "cockpit", "attach", "last"]) as app:
        app.wait_for("relaunch:", timeout=WAITS_S)
        told = time.monotonic() - began
        print(f"{batch} rows at once, out of memory after {told:.0f} s; the card:\n{app.text}\n", flush=True)
        (failed,) = ends(folder)
        assert failed.outcome == "out_of_memory" and failed.relaunches, failed
        app.press("h")
        deadline = time.monotonic() + WAITS_S
        while len(ends(folder)) < 2:
            assert app.pump(0.05), app.text
            assert time.monotonic() < deadline, app.text
        app.wait_for("completed", timeout=30)
    second = ends(folder)[1]
    assert second.outcome == "completed" and second.step == STEPS, second
    settings = failed.relaunches[0].settings
    took = time.monotonic() - began
    print(f"RESULT recovered by one key ({', '.join(settings)}): {STEPS} steps, {took:.0f} s in all")


def main() -> None:
    """Make the model, and recover."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="qwen3-0.6b")
    parser.add_argument("--backend", default="transformers")
    parser.add_argument("--hog", type=float, help="GiB that another process leaves")
    parser.add_argument("--batch", type=int, help="rows at once, in place of what the forecast finds too large")
    parser.add_argument("--folder", type=Path, default=Path("out_of_memory"))
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    (folder / "models").mkdir(parents=True, exist_ok=True)
    os.environ |= {"COCKPIT_HOME": str(folder / f"home-{time.time_ns()}"), "HF_HUB_OFFLINE": "1"}
    models = [sys.executable, "-m", "tests.bench.hollow_models", str(folder / "models"), asked.name]
    subprocess.run(models, check=True, stdout=subprocess.DEVNULL)
    rows = folder / "rows.jsonl"
    write_rows(rows, LENGTH)
    rows.write_text(rows.read_text() * 8)
    with hog(asked.hog):
        recover(asked, folder)


if __name__ == "__main__":
    main()
