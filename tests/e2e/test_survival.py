"""What a run and its engine do when the app, or its terminal, is taken away."""

import os
import signal
import sys
from collections.abc import Callable

import pytest

from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import AnyEvent, RunEnded, StepEnded
from cockpit.runs.folder import all_runs
from tests.e2e.conftest import APP, engines, only_run, standby_folders, wait_until
from tests.terminal import Terminal

DEAF_TO_SIGHUP = (
    "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
)


def events() -> list[AnyEvent]:
    return EventReader(only_run().events).poll()


def steps() -> list[int]:
    return [event.step for event in events() if isinstance(event, StepEnded)]


def test_a_closed_terminal_and_a_killed_app_leave_the_run_whole(
    app: Callable[..., Terminal], short_recipe: str
) -> None:
    first = app()
    first.wait_for("steps")
    first.press("home", "enter")
    wait_until(lambda: first.pump() and all_runs() and only_run().engine_json.exists(), "the run has an engine")
    first.hang_up()

    second = app("attach", "last", columns=80, rows=24)
    second.wait_for("import")
    wait_until(lambda: second.pump() and steps(), "the first step", 300)
    os.kill(second.pid, signal.SIGKILL)

    wait_until(lambda: any(isinstance(event, RunEnded) for event in events()), "the run's end")
    assert [event.outcome for event in events() if isinstance(event, RunEnded)] == ["completed"]
    assert steps() == list(range(1, 9))
    assert [event.seq for event in events()] == list(range(len(events())))

    third = app("attach", "last")
    third.wait_for("8/8")
    third.wait_for("completed")
    third.press("q")
    assert third.wait_for_end() == 0, third.text


@pytest.mark.parametrize("way", ["SIGKILL", "closed terminal, deaf to SIGHUP"])
def test_an_app_that_ends_before_start_leaves_no_engine(app: Callable[..., Terminal], way: str) -> None:
    """The two that the app does least for; tests/ui/test_terminal.py has the others."""
    command = [sys.executable, "-c", DEAF_TO_SIGHUP, *APP] if "deaf" in way else APP
    terminal = app(command=command)
    terminal.wait_for("demo")
    wait_until(lambda: terminal.pump() and engines(), "a standby engine")
    if way == "SIGKILL":
        os.kill(terminal.pid, signal.SIGKILL)
    else:
        terminal.hang_up()
    wait_until(lambda: terminal.has_ended() or not terminal.pump(0.01), "the app's end")
    wait_until(lambda: not engines() and not standby_folders(), "the standby's end")
    assert all_runs() == []
