"""What the app's own process weighs and holds, read from outside while it shows a run of a thousand steps."""

from collections.abc import Callable
from pathlib import Path

import psutil

from cockpit.paths import runs_folder
from tests.recording import record
from tests.terminal import Terminal

LIMIT_BYTES = 100_000_000


def test_the_app_stays_small_and_holds_no_torch(app: Callable[..., Terminal]) -> None:
    run = record(runs_folder(), steps=1000, gpus=1, replies=True)
    assert len(run.events.read_bytes().splitlines()) > 1000
    terminal = app("attach", "last")
    terminal.wait_for("1,000/1,000")
    terminal.press("c")
    terminal.wait_for("tuned")
    assert psutil.Process(terminal.pid).memory_info().rss < LIMIT_BYTES
    mapped = Path(f"/proc/{terminal.pid}/maps").read_text()
    assert "torch" not in mapped
