"""The runner that the app starts works through the queue, and ends with the app."""

import os
import subprocess
import sys
import time

from cockpit.paths import home
from cockpit.runs.queue import Queue

APP = """
import sys
from cockpit.launch.queue_process import start_queue_runner
from cockpit.runs.queue import Queue
print(start_queue_runner(Queue()).pid, flush=True)
sys.stdin.read()
"""


def test_it_passes_over_what_cannot_start_and_ends_with_its_app() -> None:
    queue = Queue()
    queue.add("broken", "no: recipe")
    env = os.environ | {"COCKPIT_HOME": str(home())}
    app = subprocess.Popen([sys.executable, "-c", APP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
    assert app.stdin is not None and app.stdout is not None
    pid = int(app.stdout.readline())
    end = time.monotonic() + 60
    while not queue.entries()[0].why:
        assert time.monotonic() < end
        time.sleep(0.05)
    app.kill()
    app.wait()
    app.stdin.close()
    app.stdout.close()
    while queue.is_worked_on() or os.path.exists(f"/proc/{pid}"):  # noqa: PTH110
        assert time.monotonic() < end
        time.sleep(0.05)
    assert "broken is passed over" in (queue.folder / "runner.log").read_text()
