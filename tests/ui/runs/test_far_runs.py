"""The app on runs of other machines: how they stand, and what is asked of them."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from cockpit.remote.desk import Desk, HostState
from cockpit.remote.host import Host
from cockpit.runs.elsewhere import Elsewhere, host_file
from cockpit.runs.folder import RunDir
from cockpit.ui.messages import ExportRun, OpenRun, RemoveRun, ResumeRun
from cockpit.ui.screens.dialog import Dialog
from cockpit.ui.screens.form_dialog import FormDialog
from cockpit.ui.screens.live import LiveScreen
from tests.recording import record
from tests.remote.far import Far
from tests.ui.engines import flown, shown
from tests.ui.live_screen import card
from tests.ui.waiting import until

THERE = """\
#!/bin/sh
# In place of cockpit at the host: notes what it is asked, and says what `answer` says.
echo "$@" >> {place}/called
cat > {place}/given
. {place}/answer
"""


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Far:
    far = Far.at(tmp_path / "far", monkeypatch)
    (far.place / "bin" / "cockpit").write_text(THERE.format(place=far.place))
    answers(far, "echo demo-9")
    return far


@pytest.fixture
def desk(far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Of two hosts, of which gpu1 is connected."""
    desk = Desk([far.host("gpu1"), far.host("gpu2")], tmp_path / "desk")
    (desk.folder / "runs").mkdir(parents=True)
    (desk.folder / "hosts").mkdir()
    heard(desk, desk.hosts[0])
    monkeypatch.setenv("COCKPIT_HOME", str(desk.folder))
    return desk


def heard(desk: Desk, host: Host) -> None:
    """For the next hour."""
    HostState(name=host.name, state="connected").write(desk.folder)
    at = time.time() + 3600
    os.utime(host_file(desk.folder, host.name), (at, at))


def answers(far: Far, script: str) -> None:
    (far.place / "answer").write_text(script)


def copy(desk: Desk, run_id: str, **options: Any) -> RunDir:
    run = record(desk.folder / "runs", run_id=f"{run_id}@gpu1", **options)
    Elsewhere(host="gpu1", id=run_id, liveness="alive", silence_s=0.0).write(run.path)
    return run


async def test_a_run_is_started_at_the_host_that_is_connected_and_shown(far: Far, desk: Desk) -> None:
    async with flown(desk=desk) as (app, pilot):
        await until(pilot, lambda: "● gpu1" in shown(app) and "gpu2 connecting" in shown(app))
        await pilot.press("enter")
        await until(pilot, (far.place / "called").is_file)
        copy(desk, "demo-9", ending="going", until=30)
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        assert (far.place / "called").read_text() == "train - --detach --set output.run_name=demo\n"
        assert "name_or_path: embedded:demo" in (far.place / "given").read_text()


async def test_of_several_hosts_one_is_chosen(far: Far, desk: Desk) -> None:
    heard(desk, desk.hosts[1])
    async with flown(desk=desk) as (app, pilot):
        await until(pilot, lambda: "● gpu2" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.press("right", "enter")
        await until(pilot, (far.place / "called").is_file)
        assert far.asked()[-1].startswith("gpu2 ")


async def test_what_the_host_refuses_is_told_as_it_says_it(far: Far, desk: Desk) -> None:
    answers(far, "echo 'stdin, line 3: no such model' >&2; exit 2")
    async with flown(desk=desk) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await until(pilot, lambda: "stdin, line 3: no such model" in shown(app))


async def test_with_no_host_it_says_why(far: Far, desk: Desk) -> None:
    for host in desk.hosts:
        HostState(name=host.name, why=f"ssh does not reach {host.name}: no route.").write(desk.folder)
        host_file(desk.folder, host.name).unlink(missing_ok=True)
    async with flown(desk=desk) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await until(pilot, lambda: "ssh does not reach gpu1: no route." in " ".join(shown(app).split()))
        assert not (far.place / "called").exists()


async def test_resume_and_removal_are_asked_of_its_host(far: Far, desk: Desk) -> None:
    run = copy(desk, "demo-1", ending="stopped")
    async with flown(desk=desk) as (app, pilot):
        app.post_message(ResumeRun(run))
        await until(pilot, lambda: f"{run.id} goes on." in shown(app))
        app.post_message(RemoveRun(run))
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.press("right", "enter")
        await until(pilot, lambda: f"{run.id} was removed." in shown(app))
        assert (far.place / "called").read_text() == "resume demo-1 --detach\ndelete demo-1 --yes\n"


async def test_a_host_that_is_not_heard_is_told_with_its_run(desk: Desk) -> None:
    run = copy(desk, "demo-1", ending="going", until=30)
    host_file(desk.folder, "gpu1").unlink()
    async with flown(desk=desk) as (app, pilot):
        app.post_message(OpenRun(run))
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        await until(pilot, lambda: "not connected" in card(pilot))
        assert "gpu1 was not heard yet. What runs there goes on; this follows once it is heard again." in card(pilot)


async def test_the_chat_has_the_host_load_the_model(far: Far, desk: Desk) -> None:
    answers(far, "echo 'The run demo-1 has saved no adapter.' >&2; exit 1")
    run = copy(desk, "demo-1")
    Elsewhere(host="gpu1", id="demo-1", liveness="exited", silence_s=0.0).write(run.path)
    async with flown(desk=desk) as (app, pilot):
        app.post_message(OpenRun(run))
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        await until(pilot, lambda: "completed" in card(pilot))
        await pilot.press("c", "f5")
        await until(pilot, lambda: "has saved no adapter" in shown(app))
        assert (far.place / "called").read_text() == "load demo-1\n"


async def test_a_recipe_waits_in_the_queue_of_its_host(far: Far, desk: Desk) -> None:
    async with flown(desk=desk) as (app, pilot):
        await until(pilot, lambda: "● gpu1" in shown(app))
        await pilot.press("a")
        await until(pilot, lambda: "demo waits in the queue of gpu1" in " ".join(shown(app).split()))
        assert (far.place / "called").read_text() == "queue add - --set output.run_name=demo --start\n"
        assert "name_or_path: embedded:demo" in (far.place / "given").read_text()


async def test_an_export_is_made_at_its_host(far: Far, desk: Desk) -> None:
    answers(far, "echo 'The adapter is merged in /there/exports/merged-16bit'")
    run = copy(desk, "demo-1")
    async with flown(desk=desk) as (app, pilot):
        await until(pilot, lambda: "● gpu1" in shown(app))
        app.post_message(ExportRun(run))
        await until(pilot, lambda: isinstance(app.screen, FormDialog))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "exported on gpu1: The adapter is merged in" in " ".join(shown(app).split()))
        assert (far.place / "called").read_text() == "export demo-1 --as merged-16bit\n"
        answers(far, "echo 'llama.cpp is not there.' >&2; exit 1")
        app.post_message(ExportRun(run))
        await until(pilot, lambda: isinstance(app.screen, FormDialog))
        await pilot.press("enter")
        await until(pilot, lambda: "was not exported: llama.cpp is not there." in " ".join(shown(app).split()))
