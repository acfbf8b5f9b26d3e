"""The queue in the app: filled from the list and the editor, put in order, worked through while the app is open."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.paths import runs_folder
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import Evaluated
from cockpit.runs.queue import Queue
from cockpit.ui.app import CockpitApp
from cockpit.ui.runs import queue_worker
from cockpit.ui.screens.live import LiveScreen
from cockpit.ui.screens.queue import QueueScreen
from cockpit.ui.widgets.queue_list import QueueList
from tests.recording import RECIPE, record
from tests.ui.engines import flown, shown
from tests.ui.waiting import until

SLEEPER = (
    "import fcntl, os, sys, time; lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); "
    "fcntl.flock(lock, 2); time.sleep(600)"
)


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Runners that the app has started: each only holds the lock, until the test is over."""
    found: list[subprocess.Popen[bytes]] = []

    def start(queue: Queue) -> subprocess.Popen[bytes]:
        found.append(subprocess.Popen([sys.executable, "-c", SLEEPER, str(queue.folder / "runner.lock")]))
        return found[-1]

    monkeypatch.setattr("cockpit.launch.queue_process.start_queue_runner", start)
    monkeypatch.setattr(queue_worker, "LOOK_EVERY_S", 0.1)
    yield found
    for runner in found:
        runner.kill()
        runner.wait()


def names(app: CockpitApp) -> list[str]:
    return [row.entry.name for row in app.screen.query_one(QueueList).rows]


async def test_recipes_are_queued_moved_and_removed(started: list[subprocess.Popen[bytes]]) -> None:
    queue = Queue()
    async with flown() as (app, pilot):
        await pilot.press("a")
        await until(pilot, lambda: "demo waits in the queue, as number 1." in shown(app))
        await until(pilot, lambda: len(started) == 1)
        assert "name_or_path: embedded:demo" in queue.entries()[0].recipe
        for name in ("second", "third"):
            queue.add(name, RECIPE)
        await pilot.press("u")
        await until(pilot, lambda: isinstance(app.screen, QueueScreen) and len(names(app)) == 3)
        await until(pilot, lambda: "worked through by this app" in shown(app))
        await pilot.press("down", "down", "K", "K")
        await until(pilot, lambda: names(app) == ["third", "demo", "second"])
        assert [entry.name for entry in queue.entries()] == ["third", "demo", "second"]
        await pilot.press("delete")
        await until(pilot, lambda: names(app) == ["demo", "second"])
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, QueueScreen))
        await app.action_quit()
        await until(pilot, lambda: not app.is_running)
    assert started[0].wait(60) == -15, "the runner ends with the app"


async def test_an_empty_queue_has_nothing_to_open() -> None:
    async with flown() as (app, pilot):
        await pilot.press("u")
        await until(pilot, lambda: "nothing waits" in shown(app))
        assert "open" not in shown(app).splitlines()[-1]


async def test_what_became_of_an_entry_is_shown_and_opened() -> None:
    queue = Queue()
    run = record(runs_folder(), run_id="was-queued", steps=5)
    queue.write(_changed(queue, "first", run=run.id))
    queue.write(_changed(queue, "broken", why="There is no such model."))
    async with flown() as (app, pilot):
        await pilot.press("u")
        await until(pilot, lambda: "nobody works through it" in shown(app))
        text = shown(app)
        assert "first  was-queued" in text and "completed" in text and "not started" in text
        await pilot.press("down", "enter")
        await until(pilot, lambda: "There is no such model." in shown(app))
        await pilot.press("up", "enter")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))


async def test_a_grid_shows_what_was_measured_and_w_edits_the_winner() -> None:
    queue = Queue()
    for number, rank in enumerate((8, 16)):
        run = record(runs_folder(), run_id=f"rank-{rank}", steps=120)
        log = EventWriter(run.events)
        log.append(Evaluated(step=120, metrics={"eval_loss": 0.25 - number / 10}))
        log.close()
        queue.write(_changed(queue, f"grid-{rank}", run=run.id, group="g1"))
    queue.write(_changed(queue, "by-itself"))
    async with flown() as (app, pilot):
        await pilot.press("u")
        await until(pilot, lambda: "0.1500" in shown(app) and "0.2500" in shown(app))
        lines = [line for line in shown(app).splitlines() if "grid-" in line]
        assert ["\u2713" in line for line in lines] == [False, True]
        await pilot.press("w")
        await until(pilot, lambda: type(app.screen).__name__ == "EditorScreen")
        await until(pilot, lambda: "grid-16" in shown(app))


async def test_another_process_that_works_through_it_is_left_alone(started: list[subprocess.Popen[bytes]]) -> None:
    queue = Queue()
    queue.add("one", RECIPE)
    lock = queue.take_lock()
    async with flown() as (app, pilot):
        await pilot.press("u")
        await until(pilot, lambda: "worked through by another process" in shown(app))
        assert not started
        Path(f"/dev/fd/{lock}").stat()


async def test_the_editor_queues_what_stands_in_it() -> None:
    async with flown() as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: type(app.screen).__name__ == "EditorScreen")
        await pilot.press("f3")
        await until(pilot, lambda: "demo waits in the queue, as number 1." in shown(app))
        assert [entry.name for entry in Queue().entries()] == ["demo"]


def _changed(queue: Queue, name: str, **fields: str):  # type: ignore[no-untyped-def]
    import msgspec

    return msgspec.structs.replace(queue.add(name, RECIPE), **fields)
