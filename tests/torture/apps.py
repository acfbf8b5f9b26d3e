"""Two real apps, each on a terminal of its own, resume one run within a moment: one goes on, the other says who has it

python -m tests.torture.apps [--trials N] trains a short demo on the CPU first. In every second trial an engine that
only answers chats holds the run when the keys are pressed.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cockpit.launch.engines import EngineKey, start_chat_engine
from cockpit.protocol import events as ev
from cockpit.protocol.commands import Unload
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.folder import RunDir, all_runs
from cockpit.runs.link import new_command_id
from cockpit.runs.state import RunState
from tests.terminal import Terminal
from tests.torture.table import Table
from tests.torture.twice import cockpit, logged

STEPS = 6
TOLD = ("engine already", "engine still", "does not let go", "still going")
"""Of what the app that comes second says."""
WAITS_S = 240.0
BACKSPACE = "\x7f"


def until(terminals: list[Terminal], so: Callable[[], bool], what: str) -> None:
    """Take in what both apps write until it is so. Raises AssertionError with both screens."""
    deadline = time.monotonic() + WAITS_S
    while not so():
        for terminal in terminals:
            terminal.pump(0.02)
            assert not terminal.has_ended(), f"an app has ended:\n{terminal.text}"
        assert time.monotonic() < deadline, "\n\n".join([f"{what} did not come", *(one.text for one in terminals)])


def shows(terminal: Terminal, words: str) -> Callable[[], bool]:
    """Whether the words stand on its screen, asked later."""
    return lambda: words in terminal.text


def let_engine_chat(run: RunDir) -> None:
    """An engine that answers chats holds the run afterwards."""
    engine, state = start_chat_engine(run, EngineKey("unsloth", "none")), RunState()
    deadline = time.monotonic() + WAITS_S
    while not (state.can_chat and state.engine is not None and state.engine.pid == engine.process.pid):
        assert time.monotonic() < deadline and engine.process.poll() is None, "no engine chats"
        for event in engine.link.poll():
            state.apply(event)
        time.sleep(0.05)
    engine.link.close()


def let_engine_go(run: RunDir) -> None:
    """No engine holds the run afterwards."""
    deadline = time.monotonic() + 60
    while run.liveness() == "alive":
        assert time.monotonic() < deadline, "the engine does not go"
        run.send(Unload(id=new_command_id()))
        time.sleep(0.5)


def two_apps(run: RunDir, gap_s: float) -> None:
    """Each asks for another number of steps. Raises AssertionError where it does not go as it must."""
    before = logged(run)
    attempt = max(event.attempt for event in before) + 1
    had = max(event.step for event in before if isinstance(event, ev.RunEnded))
    asked = (had + 2, had + 3)
    command = [sys.executable, "-m", "cockpit", "attach", run.id]
    with Terminal(command, 120, 40) as one, Terminal(command, 120, 40) as two:
        both = [one, two]
        for terminal, steps in zip(both, asked, strict=True):
            until(both, shows(terminal, "r resume"), "the live screen")
            terminal.press("r")
            until(both, shows(terminal, "Steps in all"), "the dialog")
            terminal.press("end", *[BACKSPACE] * 8, str(steps))
            until(both, shows(terminal, f"{steps - had} more."), "the number")
        one.press("enter")
        time.sleep(gap_s)
        two.press("enter")
        is_told = False

        def has_ended() -> bool:
            nonlocal is_told
            is_told = is_told or any(words in " ".join(one.text.split()) for one in both for words in TOLD)
            return any(isinstance(event, ev.RunEnded) and event.attempt == attempt for event in logged(run))

        until(both, has_ended, "the end of the attempt")
        assert is_told, f"neither app was told who has the run:\n{one.text}\n\n{two.text}"
        log = [event for event in logged(run) if event.attempt >= attempt]
        assert sum(isinstance(event, ev.RunStarted) for event in log) == 1, "not one attempt but several"
        trained = RecipeDocument.load(run.recipe).recipe().training.max_steps
        reached = [event.step for event in log if isinstance(event, ev.RunEnded)]
        assert trained in asked and reached == [trained], (
            f"{asked} were asked for, {trained} written, {reached} reached"
        )
        for terminal in both:
            terminal.press("ctrl+q")
            assert terminal.wait_for_end() == 0, terminal.text


def main() -> int:
    """The table, and what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.apps")
    parser.add_argument("--trials", type=int, default=6)
    trials, draw, table = parser.parse_args().trials, random.Random(0), Table("two apps resume a run")
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"COCKPIT_HOME": str(Path(home) / "cockpit"), "CUDA_VISIBLE_DEVICES": ""}
        said = cockpit("train", "demo", "--set", f"training.max_steps={STEPS}", "--set", "data.eval_rows=8")
        said.communicate()
        (run,) = all_runs()
        for at in range(trials):
            let_engine_go(run)
            kind = "without an engine"
            if at % 2:
                kind = "while an engine chats"
                let_engine_chat(run)
            try:
                two_apps(run, draw.choice((0.0, 0.1, 0.3, 0.6)))
                table.add(kind, True)
            except AssertionError as fault:
                table.add(kind, False)
                print(f"trial {at}: {fault}", flush=True)
        let_engine_go(run)
    table.show()
    return 1 if table.failures else 0


if __name__ == "__main__":
    sys.exit(main())
