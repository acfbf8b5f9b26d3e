"""What is told of a run to somebody who is elsewhere, and what a terminal is asked for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.protocol import events as ev
from cockpit.runs.message import message_of
from cockpit.runs.state import RunState
from cockpit.settings import Price
from cockpit.text.sparks import sparks
from cockpit.text.terminal_call import terminal_call
from tests.recording import Ending, record
from tests.ui.stage import recorded


@pytest.mark.parametrize(
    ("ending", "kind", "title"),
    [
        ("completed", "good", "training is complete"),
        ("stopped", "warning", "training was stopped"),
        ("failed", "bad", "training has failed"),
    ],
)
def test_an_end_with_its_facts(tmp_path: Path, ending: Ending, kind: str, title: str) -> None:
    state, events = RunState(), recorded(record(tmp_path, ending=ending, until=300 if ending == "completed" else 126,
                                                gpus=1, reason="It broke at https://me:secret@host/x."))  # fmt: skip
    state.take(events)
    ended = next(event for event in events if isinstance(event, ev.RunEnded))
    told = message_of(ended, "demo\x1b[31m", state, Price(36, "EUR"))
    assert told is not None
    assert (told.title, told.kind) == (f"demo: {title}", kind)
    assert f"step {state.step}/300, loss 0." in told.body and "█" in told.body and "held-out 0." in told.body
    assert told.body.endswith(" EUR") and "took " in told.body
    assert "secret" not in told.body and ("It broke" in told.body) is (ending == "failed")


def test_a_watchdog_and_what_calls_nobody(tmp_path: Path) -> None:
    state = RunState()
    state.take(recorded(record(tmp_path, ending="going", until=126)))
    fired = ev.WatchdogFired(watchdog="gradient_spike", step=126, action="warn", finding="The gradient is long.")
    told = message_of(fired, "demo", state)
    assert told is not None
    assert told.title == "demo: gradient spike" and told.body.startswith("The gradient is long.\nstep 126/300")
    assert "ETA" in told.body
    assert message_of(ev.LogWritten(level="error", text="x"), "demo", state) is None


def test_a_curve_in_a_few_characters() -> None:
    assert sparks([4, 3, 2, 1]) == "█▆▃▁"
    assert sparks([1.0] * 100) == "▁" * 12
    assert sparks([]) == "" == sparks([float("nan")])


def test_a_terminal_is_called_without_being_led_astray() -> None:
    assert terminal_call("a;b", "c\x1b]0;x\x07d\ne") == "\a\x1b]9;a,b: cd e\x1b\\\x1b]777;notify;a,b;cd e\x1b\\"
