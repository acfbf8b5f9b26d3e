"""CPU seconds that a reader takes to catch up with a long run: reading its log, taking it in. A report, no test.

usage: python -m tests.bench.attach [STEPS ...]
Each STEPS (10,000, 100,000 and 1,000,000 where none are named) is a run of so many steps. `attach` is what the app
does when it opens the run, without drawing; `lines` is what `cockpit attach` prints where the output is piped;
`list` is its line in the list of runs.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from cockpit.cli.report import LineReport
from cockpit.protocol import events as ev
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink
from cockpit.runs.state import RunState
from cockpit.runs.summary import RunSummary

LINES_UP_TO = 100_000
"""Steps; printing a line for each of more takes minutes."""


def write_run(folder: Path, steps: int) -> RunDir:
    """A run of so many steps, as an engine writes them."""
    run = RunDir.create(folder / f"run-{steps}")
    with run.events.open("wb") as log:
        log.write(ev.encode(ev.EngineStarted(pid=1, host="h", backend="unsloth")))
        plan = ev.TrainingPlanned(total_steps=steps, steps_per_epoch=9e9, trainable_parameters=1, total_parameters=2)
        log.write(ev.encode(plan))
        log.write(ev.encode(ev.PhaseStarted(phase="training")))
        for step in range(1, steps + 1):
            metrics: dict[str, float | None] = {
                "loss": 2.0 + 1 / step, "grad_norm": 0.4281957149505615, "learning_rate": 0.00012345678901234567,
                "tokens_seen": 4096.0 * step, "trained_tokens": 1024.0 * step,
            }  # fmt: skip
            log.write(
                ev.encode(
                    ev.StepEnded(
                        seq=step, at=1.7e9 + step / 3, step=step, total_steps=steps, epoch=step / steps,
                        step_time_s=0.3123456789, metrics=metrics,
                    )
                )
            )  # fmt: skip
    return run


def attach_s(run: RunDir) -> float:
    """Seconds until all has been read and taken in."""
    began, link, state = time.process_time(), RunLink(run), RunState()
    while batch := link.poll():
        for event in batch:
            state.apply(event)
        state.eta()
    link.close()
    return time.process_time() - began


def lines_s(run: RunDir) -> float:
    """Seconds until all has been printed, into nothing."""
    with Path("/dev/null").open("w", encoding="utf-8") as out:
        began, link, state, report = time.process_time(), RunLink(run), RunState(), LineReport(out)
        while batch := link.poll():
            for event in batch:
                state.apply(event)
                report.tell(event, state)
        link.close()
        return time.process_time() - began


def list_s(run: RunDir) -> float:
    """Seconds for the run's line in the list."""
    began = time.process_time()
    RunSummary.of(run)
    return time.process_time() - began


def main(sizes: list[int]) -> None:
    """Print a table."""
    print(f"{'steps':>10}  {'log':>8}  {'attach':>8}  {'lines':>8}  {'list':>8}  {'peak memory':>11}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for steps in sizes:
            run = write_run(Path(folder), steps)
            lines = f"{lines_s(run):>6.2f} s" if steps <= LINES_UP_TO else f"{'-':>8}"
            figures = f"{attach_s(run):>6.2f} s  {lines}  {list_s(run):>6.3f} s"
            mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{steps:>10,}  {run.events.stat().st_size / 2**20:>4.0f} MiB  {figures}  {mib:>7.0f} MiB", flush=True
            )


if __name__ == "__main__":
    main([int(steps) for steps in sys.argv[1:]] or [10_000, 100_000, 1_000_000])
