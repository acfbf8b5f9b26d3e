"""The runner that the app starts works through the queue, and ends with the app."""

import os
import subprocess
import sys
import time

from cockpit.launch.queue_process import start_queue_runner
from cockpit.paths import home
from cockpit.runs.queue import Queue

APP = """
import sys
from cockpit.launch.queue_process import start_queue_runner
from cockpit.runs.queue import Queue
print(start_queue_runner(Queue()).pid, flush=True)
sys.stdin.read()
"""


def test_what_is_added_while_another_works_through_the_queue_is_not_left() -> None:
    queue = Queue()
    others = queue.take_lock()  # as a search does, which leaves off with its last trial
    runners = []
    for _ in range(2):
        queue.add("broken", "no: recipe")
        runners.append(start_queue_runner(queue, outlives=True))
    end = time.monotonic() + 60
    while all(runner.poll() is None for runner in runners):
        assert time.monotonic() < end
        time.sleep(0.05)
    (waits,) = [runner for runner in runners if runner.returncode is None]
    assert sum(runner.returncode or 0 for runner in runners) == 0, "one that waits is enough"
    assert [entry.why for entry in queue.entries()] == ["", ""]
    os.close(others)
    assert waits.wait(60) == 1
    assert all(entry.why for entry in queue.entries()) and not queue.is_worked_on()
    assert (queue.folder / "runner.log").read_text().count("is passed over") == 2


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
