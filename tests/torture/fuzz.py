"""Damages the files of a run (bits, digits, fields, cuts), and reads it as the app and the commands do.

usage: python -m tests.torture.fuzz [TRIALS] [SEED]
TRIALS (1,000 where none are named) are made of each file with each kind of damage. A failure is an exception other than
the sentence that a reader promises, or a sound run beside the damaged one that is told otherwise than before.
"""

from __future__ import annotations

import io
import json
import os
import random
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import Any

from cockpit.cli.report import JsonReport, LineReport, live_line
from cockpit.cli.runs import runs as command_runs
from cockpit.paths import runs_folder
from cockpit.protocol import events as ev
from cockpit.protocol.event_log import EventWriter, newest_attempt
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.problem import RecipeError
from cockpit.runs.checkpoint import newest_complete
from cockpit.runs.folder import RunDir, all_runs, find_run
from cockpit.runs.link import ReplayLink, RunLink
from cockpit.runs.resumable import ResumePoint
from cockpit.runs.sentences import log_line
from cockpit.runs.state import RunState
from cockpit.runs.summary import RunSummary
from cockpit.ui.widgets import now_panel, reply_figures, run_panel
from cockpit.ui.widgets.loss_chart import LossChart
from cockpit.ui.widgets.outcome_card import outcome_of
from cockpit.ui.widgets.phase_bar import phase_figures, progress_text
from cockpit.ui.widgets.run_list import state_text, when
from cockpit.ui.widgets.sparkline import sparkline
from tests.recording import RECIPE, record
from tests.runs.complete_checkpoint import write_checkpoint

FILES = (
    "events.jsonl", "gpu.jsonl", "chat.jsonl", "export.jsonl", "engine.json", "recipe.yaml",
    "checkpoints/checkpoint-4/trainer_state.json",
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 0.5, 1e308, -1e308, 10**19, -(10**19), 10**400, "", "x" * 5000, "\x1b[2J", [], {}, [[]],
    {"a": 1}, ["x"], [None], "1", "NaN", -0.0, 253402300800, 4e9, 2**31, 2**63,
)  # fmt: skip
"""What stands in place of a field's value."""


def sample() -> RunDir:
    """A small run with all its files, beside a sound one, in this COCKPIT_HOME."""
    record(runs_folder(), run_id="sound", steps=8)
    run = record(runs_folder(), run_id="damaged", steps=8, gpus=1, replies=True)
    with closing(EventWriter(run.export)) as log:
        log.append(ev.ExportStarted(export_id="x", form="adapter", path="/out"))
        log.append(ev.ExportEnded(export_id="x", form="adapter", path="/out", size_bytes=3))
    write_checkpoint(run.checkpoints, 4)
    return run


def with_flipped_bits(content: bytes, rng: random.Random) -> bytes:
    """One to eight bits are the other way round."""
    found = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def with_other_digits(content: bytes, rng: random.Random) -> bytes:
    """A digit is another one, or a great many."""
    places = [at for at, byte in enumerate(content) if byte in b"0123456789"]
    at = rng.choice(places)
    other = rng.choice((str(rng.randrange(10)), "-", "e", ".", "9" * 30, "e308", "9" * 5000)).encode()
    return content[:at] + other + content[at + 1 :]


def with_other_field(content: bytes, rng: random.Random) -> bytes:
    """A field of one line, or of the file, has an odd value, is missing, or is a field that nobody knows."""
    lines = content.split(b"\n")
    try:
        json.loads(lines[0])
    except ValueError:
        return _with_other_yaml(content, rng)
    at = rng.randrange(len([line for line in lines if line]))
    whole = json.loads(lines[at])
    holders = list(_holders(whole))
    holder, key = rng.choice(holders)
    if rng.random() < 0.1:
        del holder[key]
    else:
        holder[key] = rng.choice(ODD)
    lines[at] = json.dumps(whole).encode()
    return b"\n".join(lines)


def cut_short(content: bytes, rng: random.Random) -> bytes:
    """A part is missing, at the end or in the middle, or is zeroed as after a power cut."""
    begin = rng.randrange(len(content))
    end = min(len(content), begin + rng.randint(1, 600))
    gap = b"\0" * (end - begin) if rng.random() < 0.3 else b""
    return content[:begin] + gap + (b"" if rng.random() < 0.3 else content[end:])


KINDS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bits": with_flipped_bits,
    "digits": with_other_digits,
    "fields": with_other_field,
    "cuts": cut_short,
}


def _holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every dict or list in the value with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _holders(value[key])


def _with_other_yaml(content: bytes, rng: random.Random) -> bytes:
    lines = content.decode().split("\n")
    at = rng.choice([at for at, line in enumerate(lines) if ":" in line])
    name = lines[at].partition(":")[0]
    lines[at] = f"{name}: {json.dumps(rng.choice(ODD))}"
    return "\n".join(lines).encode()


def read_all(run: RunDir) -> None:
    """All that the app and the commands read of a run, and show. Raises whatever one of them raises."""
    for one in all_runs():
        row = RunSummary.of(one)
        state_text(row), when(row), sparkline(row.course, 8)
    for as_json in (True, False):
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            command_runs(as_json=as_json)
    state = _followed(run)
    recipe = RecipeDocument.parse(RECIPE, "recipe.yaml").recipe()
    try:
        recipe = RecipeDocument.load(run.recipe).recipe()
        ResumePoint.of(run, recipe)
    except (RecipeError, ValueError):
        pass  # a sentence, as promised
    _draw(run, state, recipe)
    ReplayLink(run).poll()
    run.identity(), run.liveness(), newest_attempt(run.events), newest_complete(run.checkpoints)
    with closing(EventWriter(run.events)) as log:
        log.append(ev.LogWritten(level="info", text="the next attempt writes on"))


def _followed(run: RunDir) -> RunState:
    link, state = RunLink(run), RunState()
    reports = (LineReport(io.StringIO()), JsonReport(io.StringIO()))
    while batch := link.poll():
        for event in batch:
            state.apply(event)
            log_line(event)
            live_line(state)
            for report in reports:
                report.tell(event, state)
    link.liveness()
    link.close()
    return state


def _draw(run: RunDir, state: RunState, recipe: Any) -> None:
    now_panel.rows_of(state), run_panel.facts_of(recipe, state)
    state.eta(), state.tokens_per_s(), state.elapsed_s, state.kept_evaluation, state.progress_pace()
    progress_text(state)
    for status in ("running", "lost", "silent", "completed", "stopped", "failed"):
        phase_figures(state, 1.8e9, status)
        outcome_of(status, state, run)
    reply_figures.rows_of(list(state.replies.values())), state.newest_replies()
    for log_scale in (False, True):
        chart = LossChart()
        chart.log_scale = log_scale
        chart.set_total(state.total_steps)
        chart.set_course(state.steps, state.held_out)
        chart.draw(60, 12)


def failures(trials: int, seed: int, files: tuple[str, ...] = FILES) -> Iterator[tuple[str, str, str]]:
    """A row for each trial that has failed: file, kind of damage, what went wrong. Works in this COCKPIT_HOME."""
    run = sample()
    sound = RunSummary.of(find_run("sound"))
    for file in files:
        path = run.path / file
        before = path.read_bytes()
        log = run.events.read_bytes()
        for kind, damage in KINDS.items():
            rng = random.Random(f"{seed} {file} {kind}")
            for _ in range(trials):
                path.write_bytes(damage(before, rng))
                try:
                    read_all(run)
                    if replace(RunSummary.of(find_run("sound")), state=sound.state) != sound:
                        yield file, kind, "the sound run beside it is told otherwise"
                except Exception:
                    yield file, kind, traceback.format_exc()
                run.events.write_bytes(log)
        path.write_bytes(before)


def main(trials: int, seed: int) -> int:
    """Print a table; the exit status says whether anything failed."""
    found: Counter[tuple[str, str]] = Counter()
    told: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as home:
        os.environ["COCKPIT_HOME"] = home
        for file, kind, why in failures(trials, seed):
            found[file, kind] += 1
            told[why] += 1
    print(f"{'file':<45}" + "".join(f"{kind:>10}" for kind in KINDS) + f"   failures of {trials:,} each")
    for file in FILES:
        print(f"{file:<45}" + "".join(f"{found[file, kind]:>10}" for kind in KINDS))
    print(f"{trials * len(FILES) * len(KINDS):,} trials, {found.total():,} failures")
    for why, times in told.most_common(10):
        print(f"\n{times:,} times: {why}")
    return min(1, found.total())


if __name__ == "__main__":
    numbers = [int(number) for number in sys.argv[1:]]
    sys.exit(main(numbers[0] if numbers else 1000, numbers[1] if len(numbers) > 1 else 1))
