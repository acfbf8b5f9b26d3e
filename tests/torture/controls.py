"""Every control of `cockpit send` at random moments of real runs: answered once, nothing hangs, no loss differs

python -m tests.torture.controls [--trials N] [--seed N] trains a tiny model on the CPU, N times of each kind, in
engines of their own, and sends each a dozen controls by the command itself, up to three at once.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from cockpit.launch.engines import EngineKey, StartedEngine, start_engine, start_resuming_engine
from cockpit.protocol import events as ev
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.folder import RunDir
from cockpit.runs.schedule_changes import planned_rates
from cockpit.runs.state import RunState
from tests.engine import tiny
from tests.engine.warm_stack import WarmStack
from tests.torture.kills import adapter_hash
from tests.torture.table import Table
from tests.torture.twice import cockpit, logged

GENTLE = ("pause", "pause", "resume", "resume", "checkpoint", "evaluate", "sample", "unload")
"""None of these changes what is learned."""
SCHEDULE = (*GENTLE, "lr=0.5", "lr=2", "steps=+20")
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "what changes nothing": (GENTLE, ()),
    "learning rate and steps": (SCHEDULE, ()),
    "stop, then resume": (GENTLE, ("stop",)),
    "stop or drop among all": (SCHEDULE, ("stop", "drop")),
}
"""What is drawn from, and what ends the run at some moment."""
PLAIN = EngineKey("transformers", "none")
STEPS = 600
AT_ONCE = 3
SENDS_WITHIN_S = 40.0
"""The command itself waits 10 s for an answer, and is started on a busy machine."""
ENDS_WITHIN_S = 300.0
GONE = "has no engine any more"


@dataclass
class Sent:
    """One control, and the command that sends it."""

    word: str
    process: subprocess.Popen[str]
    since: float = field(default_factory=time.monotonic)


class Trial:
    """One run, what is asked of it, and what is wrong with how it went."""

    def __init__(self, engine: StartedEngine, run: RunDir, draw: random.Random) -> None:
        self.engine, self.run, self.draw = engine, run, draw
        self.faults: list[str] = []
        self.answered = 0
        self._under_way: list[Sent] = []

    def ask(self, word: str) -> None:
        """Send it, beside at most AT_ONCE - 1 others."""
        while len(self._under_way) >= AT_ONCE:
            self._take_in()
        self._under_way.append(Sent(word, cockpit("send", self.run.id, word)))

    def settle(self) -> None:
        """Until all that was sent has been answered."""
        while self._under_way:
            self._take_in()

    def _take_in(self) -> None:
        for sent in list(self._under_way):
            if sent.process.poll() is None:
                if time.monotonic() - sent.since > SENDS_WITHIN_S:
                    self.faults.append(f"{sent.word} hangs")
                    sent.process.kill()
                continue
            self._under_way.remove(sent)
            said = sent.process.communicate()[0].strip()
            if GONE in said:
                continue
            if sent.process.returncode not in (0, 1) or not said.endswith(".") or "has not answered" in said:
                self.faults.append(f"{sent.word}: status {sent.process.returncode}: {said}")
            else:
                self.answered += 1
        time.sleep(0.02)

    def until(self, so: Callable[[], bool], what: str) -> bool:
        """Wait; a fault where it does not come, or the engine goes."""
        deadline = time.monotonic() + ENDS_WITHIN_S
        while not so():
            if time.monotonic() > deadline or (self.engine.process.poll() is not None and not so()):
                self.faults.append(f"{what} did not come")
                return False
            time.sleep(0.05)
        return True


def state_of(run: RunDir) -> RunState:
    """All that the run's log tells."""
    state = RunState()
    for event in logged(run):
        state.apply(event)
    return state


def fly(trial: Trial, words: tuple[str, ...], endings: tuple[str, ...]) -> None:
    """Ask for a dozen things at random moments, see the run to its end, and let its engine go."""
    run, draw = trial.run, trial.draw
    if not trial.until(lambda: state_of(run).step >= 1, "the first step"):
        return
    drawn = [draw.choice(words) for _ in range(draw.randint(8, 14))]
    if endings:
        drawn.insert(draw.randrange(len(drawn)), draw.choice(endings))
    for word in drawn:
        time.sleep(draw.expovariate(3.0))
        trial.ask(word)
    trial.settle()
    if state_of(run).ended is None:
        trial.ask("resume")  # refused where it does not wait
        trial.settle()
    if not trial.until(lambda: state_of(run).ended is not None, "the end"):
        return
    trial.ask("unload")
    trial.settle()
    try:
        trial.engine.process.wait(30)
    except subprocess.TimeoutExpired:
        trial.faults.append("the engine does not go")


def judge(trial: Trial, alone: RunState, had_ending: bool) -> None:
    """What every run must hold to, whatever was asked of it."""
    run, faults = trial.run, trial.faults
    log, state = logged(run), state_of(run)
    answers = [event for event in log if isinstance(event, ev.CommandAnswered) and event.command != "Train"]
    if len({answer.command_id for answer in answers}) != len(answers) or len(answers) != trial.answered:
        faults.append(f"{trial.answered} commands were answered by {len(answers)} answers")
    if left := [path.name for path in run.commands.iterdir()]:
        faults.append(f"unanswered: {left}")
    ends = [event for event in log if isinstance(event, ev.RunEnded)]
    stops = [answer for answer in answers if answer.command == "Stop" and answer.accepted]
    wanted = "stopped" if stops else "completed"
    if [one.outcome for one in ends] != [wanted] or (stops and not had_ending):
        faults.append(f"ended as {[one.outcome for one in ends]}, not {wanted}")
    if not isinstance(log[-1], ev.EngineExited):
        faults.append("the log does not end with the engine's exit")
    steps = [event.step for event in log if isinstance(event, ev.StepEnded)]
    if steps != list(range(1, len(steps) + 1)):
        faults.append("steps are missing, or were told twice")
    changes = [event for event in log if isinstance(event, ev.ScheduleChanged)]
    asked = {one.command_id for one in answers if one.accepted and one.command in ("ScaleLearningRate", "AddSteps")}
    undone = sum(isinstance(one, ev.LogWritten) and "ot done: " in one.text for one in log)
    if len(asked - {one.command_id for one in changes}) > 2 * undone:
        faults.append("a change of the schedule was accepted, and neither done nor named")
    same = min([len(steps), *(one.step for one in changes)])
    if state.steps.metrics["loss"][:same] != alone.steps.metrics["loss"][:same]:
        faults.append("a loss differs from the undisturbed run's")
    assert state.plan is not None
    rates = planned_rates(RecipeDocument.load(run.recipe).recipe().training, state.plan)
    for at, rate in enumerate(state.steps.metrics["learning_rate"]):
        if rate is None or not math.isclose(rate, rates[at], rel_tol=1e-9, abs_tol=1e-18):
            faults.append(f"the learning rate of step {at + 1} is {rate}, planned is {rates[at]}")
            break


def go_on(run: RunDir, recipe: str) -> None:
    """Resume the run, to its end, in another engine."""
    engine = start_resuming_engine(run, PLAIN)
    engine.resume(recipe, "controls", [])
    deadline = time.monotonic() + ENDS_WITHIN_S
    while engine.process.poll() is None and time.monotonic() < deadline:
        ended = state_of(run).ended
        if ended is not None and ended.attempt == 2:
            break
        time.sleep(0.1)
    engine.process.kill()
    engine.process.wait(30)


def one_trial(kind: str, recipe: str, alone: tuple[RunState, str], draw: random.Random) -> tuple[int, list[str]]:
    """How many controls a run of this kind has answered, and what is wrong with it."""
    words, endings = KINDS[kind]
    engine = start_engine(PLAIN, "controls")
    trial = Trial(engine, engine.train(recipe, "controls", []), draw)
    try:
        fly(trial, words, endings)
        judge(trial, alone[0], bool(endings))
    finally:
        if engine.process.poll() is None:
            engine.process.kill()
            engine.process.wait(30)
    state = state_of(trial.run)
    is_changed = state.plan is not None and bool(state.plan.changes)
    if kind == "stop, then resume" and state.ended is not None and state.ended.step < STEPS:
        go_on(trial.run, recipe)
        state = state_of(trial.run)
    if not is_changed and state.ended is not None and state.ended.outcome == "completed":
        if state.steps.metrics["loss"] != alone[0].steps.metrics["loss"]:
            trial.faults.append("losses differ at the end")
        if adapter_hash(trial.run) != alone[1]:
            trial.faults.append("the adapter differs from the undisturbed run's")
    return trial.answered, [f"{kind}, {trial.run.id}: {fault}" for fault in trial.faults]


def undisturbed(recipe: str) -> tuple[RunState, str]:
    """What the run is like when nothing is asked of it, and the hash of its adapter."""
    engine = start_engine(PLAIN, "alone")
    run = engine.train(recipe, "alone", [])
    while state_of(run).ended is None:
        assert engine.process.poll() is None, run.engine_log.read_text()[-2000:]
        time.sleep(0.2)
    engine.process.kill()
    engine.process.wait(30)
    return state_of(run), adapter_hash(run)


def main() -> int:
    """The table, and what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.controls")
    parser.add_argument("--trials", type=int, default=5, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table, faults, answered = Table("what is asked"), list[str](), 0
    with tempfile.TemporaryDirectory() as home, closing(WarmStack("transformers", Path(home))) as stack:
        os.environ |= {"COCKPIT_HOME": str(Path(home) / "cockpit"), "CUDA_VISIBLE_DEVICES": ""}
        recipe = tiny.recipe_text(
            tiny.make_model(Path(home) / "model"),
            tiny.write_rows(Path(home) / "rows.jsonl", tiny.chat_rows(60)),
            backend="transformers",
            lora__lora_dropout=0.1,
            training__max_steps=STEPS,
            training__eval_steps=100,
            training__lr_scheduler_type="cosine",
            training__warmup_ratio=0.1,
            output__save_steps=150,
            output__save_total_limit=2,
            samples__prompts=["what is the name of red 3"],
            samples__max_new_tokens=6,
        )
        with stack.starts_engines():
            alone = undisturbed(recipe)
            for at, kind in enumerate(kind for _ in range(options.trials) for kind in KINDS):
                some, wrong = one_trial(kind, recipe, alone, random.Random(f"{options.seed} {at}"))
                table.add(kind, not wrong)
                faults += wrong
                answered += some
                print(*(f"  {fault}" for fault in wrong), sep="\n", end="\n" * bool(wrong), flush=True)
    table.show()
    print(f"{answered} controls were answered.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
