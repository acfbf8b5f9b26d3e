"""Copies of a host's runs at the desk: what is sent, what is said of them, and what goes the other way."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from cockpit.machine.gpu import GpuReport
from cockpit.protocol.commands import Pause, Stop
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import CommandAnswered, LogWritten
from cockpit.remote.desk import Desk
from cockpit.remote.far_end import ENDS, FarEnd
from cockpit.remote.frames import MARK, Beat, Hello, encode
from cockpit.remote.host import Host
from cockpit.remote.near_end import KEPT_S, NearEnd
from cockpit.runs.elsewhere import host_file
from cockpit.runs.folder import RunDir, all_runs
from cockpit.runs.summary import RunSummary
from tests.recording import record
from tests.remote.far import Far

WITHIN_S = 60.0


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def nobody_looks_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the machine takes over a test."""
    monkeypatch.setattr("cockpit.remote.near_end.LEASE_S", 600.0)
    monkeypatch.setattr("cockpit.runs.elsewhere.HEARD_S", 38.0)


@pytest.fixture
def far_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The COCKPIT_HOME of the host, which is this process."""
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "far"))
    return tmp_path / "far"


@contextmanager
def connected(tmp_path: Path) -> Iterator[Path]:
    """Both ends, as threads; the desk's folder."""
    desk = tmp_path / "desk"
    (desk / "runs").mkdir(parents=True, exist_ok=True)
    near, far = socket.socketpair()
    stdin, end = os.pipe()
    ends = [
        threading.Thread(target=FarEnd(far.fileno(), far.fileno(), msgspec.json.encode(GpuReport(driver="580"))).run),
        threading.Thread(target=NearEnd(Host("gpu1"), desk, stdin).follow, args=(near.fileno(), near.fileno())),
    ]
    (desk / "hosts").mkdir(exist_ok=True)
    for one in ends:
        one.start()
    try:
        yield desk
    finally:
        os.close(end)
        ends[1].join()
        near.close()
        ends[0].join()
        far.close()
        os.close(stdin)


def copy_of(desk: Path, run: RunDir) -> RunDir:
    return RunDir(desk / "runs" / f"{run.id}@gpu1")


def is_same(here: Path, there: Path) -> bool:
    return here.is_file() and here.read_bytes() == there.read_bytes()


def test_logs_and_recipes_are_copied_and_followed(tmp_path: Path, far_home: Path) -> None:
    run = record(far_home / "runs", run_id="a", replies=True, gpus=1)
    (run.path / "label.json").write_text('{"name": "best"}')
    with connected(tmp_path) as desk:
        here = copy_of(desk, run)
        names = ("events.jsonl", "chat.jsonl", "gpu.jsonl", "recipe.yaml", "label.json", "engine.json")
        until(lambda: all(is_same(here.path / name, run.path / name) for name in names))
        EventWriter(run.events).append(LogWritten(level="info", text="more"))
        until(lambda: is_same(here.events, run.events))
        assert abs(here.recipe.stat().st_mtime - run.recipe.stat().st_mtime) < 2
        until(lambda: here.liveness() == "alive")
        until((desk / "hosts" / "gpu1.gpus").is_file)
        assert msgspec.json.decode((desk / "hosts" / "gpu1.gpus").read_bytes(), type=GpuReport).driver == "580"


def test_after_a_break_only_what_is_new_is_sent(tmp_path: Path, far_home: Path) -> None:
    run = record(far_home / "runs", run_id="a")
    with connected(tmp_path) as desk:
        here = copy_of(desk, run)
        until(lambda: is_same(here.events, run.events))
    marked = here.events.read_bytes().replace(b"RunStarted", b"RunStartex")
    here.events.write_bytes(marked)
    EventWriter(run.events).append(LogWritten(level="info", text="meanwhile"))
    with connected(tmp_path):
        until(lambda: here.events.stat().st_size == run.events.stat().st_size)
        assert b"RunStartex" in here.events.read_bytes() and here.events.read_bytes().endswith(b'"meanwhile"}\n')


def test_a_log_that_was_begun_anew_is_sent_anew(tmp_path: Path, far_home: Path) -> None:
    run = record(far_home / "runs", run_id="a")
    with connected(tmp_path) as desk:
        here = copy_of(desk, run)
        until(lambda: is_same(here.events, run.events))
        run.events.write_bytes(run.events.read_bytes()[:100])
        until(lambda: is_same(here.events, run.events))


def test_of_readings_only_the_end_is_sent_at_its_place(tmp_path: Path, far_home: Path) -> None:
    run = record(far_home / "runs", run_id="a")
    run.gpu.write_bytes(b"x" * 300_000 + b"y" * ENDS["gpu.jsonl"])
    with connected(tmp_path) as desk:
        here = copy_of(desk, run)
        until(lambda: here.gpu.is_file() and here.gpu.stat().st_size == run.gpu.stat().st_size)
    assert here.gpu.read_bytes() == bytes(300_000) + b"y" * ENDS["gpu.jsonl"]


def test_lost_runs_are_lost_and_removed_ones_go(tmp_path: Path, far_home: Path) -> None:
    lost, doomed = (record(far_home / "runs", run_id=name, ending="lost") for name in "ab")
    with connected(tmp_path) as desk:
        until((copy_of(desk, lost).path / "elsewhere.json").is_file)
        until(lambda: RunSummary.of(copy_of(desk, lost)).state == "lost")
        until(copy_of(desk, doomed).events.is_file)
        doomed.remove()
        until(lambda: not copy_of(desk, doomed).path.exists())
        assert copy_of(desk, lost).path.exists()


def test_commands_and_looks_go_to_the_host(tmp_path: Path, far_home: Path) -> None:
    run = record(far_home / "runs", run_id="a", ending="going")
    with connected(tmp_path) as desk:
        here = copy_of(desk, run)
        until(lambda: here.liveness() == "alive")
        assert not run.lease.exists()
        here.touch_lease()
        here.send(Pause(id="p1"))
        until(lambda: bool(list(run.commands.glob("*.json"))))
        assert run.take_commands() == [Pause(id="p1")]
        until(run.lease.exists)
        until(lambda: not list(here.commands.glob("*.json")))
    at = time.time() - 40
    os.utime(host_file(desk, "gpu1"), (at, at))
    assert here.liveness() == "silent" and 40 <= here.silence_s() < 100
    with pytest.raises(OSError, match=r"^gpu1 was last heard 4\d s ago; try again once it is connected\.$"):
        here.send(Pause(id="p2"))
    assert not list(here.commands.glob("*.json"))


def test_what_cannot_be_handed_on_stays_for_the_next_connection(tmp_path: Path, far_home: Path) -> None:
    run = record(far_home / "runs", run_id="a", ending="going")
    with connected(tmp_path) as desk:
        here = copy_of(desk, run)
        until(lambda: here.liveness() == "alive")
    here.touch_lease()
    here.send(Stop(id="s1"))
    here.send(Pause(id="p1"))
    source, end = os.pipe()
    broken, sink = os.pipe()
    stdin, own = os.pipe()
    with ThreadPoolExecutor() as pool:
        followed = pool.submit(NearEnd(Host("gpu1"), desk, stdin).follow, sink, source)
        assert os.read(broken, 1 << 16)
        os.close(broken)
        os.write(end, MARK + encode(Hello(version="0", gpus=b"")) + encode(Beat(runs={"a": ("alive", 0.0)})))
        with pytest.raises(BrokenPipeError):
            try:
                followed.result(timeout=WITHIN_S)
            finally:
                os.close(own)
    for one in (source, end, sink, stdin):
        os.close(one)
    assert len(list(here.commands.glob("*.json"))) == 2
    with connected(tmp_path):
        until(lambda: len(list(run.commands.glob("*.json"))) == 2)
        assert run.take_commands() == [Stop(id="s1"), Pause(id="p1")]


def test_what_the_line_has_taken_and_lost_goes_over_the_next_one(tmp_path: Path, far_home: Path) -> None:
    run = record(far_home / "runs", run_id="a", ending="going")
    with connected(tmp_path) as desk:
        here = copy_of(desk, run)
        until(lambda: here.liveness() == "alive")
    here.touch_lease()
    here.send(Stop(id="s1"))
    source, end = os.pipe()
    lost, sink = os.pipe()
    stdin, own = os.pipe()
    with ThreadPoolExecutor() as pool:
        followed = pool.submit(NearEnd(Host("gpu1"), desk, stdin).follow, sink, source)
        os.write(end, MARK + encode(Hello(version="0", gpus=b"")) + encode(Beat(runs={"a": ("alive", 0.0)})))
        content = b""
        while b"s1" not in content:
            content += os.read(lost, 1 << 16)
        os.close(end)
        assert followed.result(timeout=WITHIN_S) == ""
    for one in (source, lost, sink, stdin, own):
        os.close(one)
    with connected(tmp_path):
        until(lambda: not list(here.commands.glob("*.json")))
        assert run.take_commands() == [Stop(id="s1")]


def test_a_command_that_comes_again_is_not_done_again(tmp_path: Path, far_home: Path) -> None:
    run = record(far_home / "runs", run_id="a", ending="going")
    with connected(tmp_path) as desk:
        here = copy_of(desk, run)
        until(lambda: here.liveness() == "alive")
        here.touch_lease()
        for _ in range(2):  # before the engine has taken it
            here.send(Stop(id="s1"))
            until(lambda: not list(here.commands.glob("*.json")))
        assert run.take_commands() == [Stop(id="s1")]
        EventWriter(run.events).append(CommandAnswered(command_id="s1", accepted=True, command="Stop"))
        here.send(Stop(id="s1"))
        until(lambda: not list(here.commands.glob("*.json")))
        assert run.take_commands() == []


def test_a_command_of_long_ago_is_dropped(tmp_path: Path, far_home: Path) -> None:
    run = record(far_home / "runs", run_id="a", ending="going")
    with connected(tmp_path) as desk:
        here = copy_of(desk, run)
        until(lambda: here.liveness() == "alive")
    here.send(Stop(id="s1"))
    for path in here.commands.iterdir():
        os.utime(path, (time.time() - KEPT_S - 1,) * 2)
    here.touch_lease()
    with connected(tmp_path):
        until(lambda: not list(here.commands.glob("*.json")))
        assert not list(run.commands.glob("*.json"))


def test_two_hosts_over_ssh_and_one_that_comes_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = Far.at(tmp_path / "far", monkeypatch)
    far.record("same-id", name="gpu1")
    far.record("same-id", "lost", name="gpu2")
    far.cut(name="gpu2")
    monkeypatch.setattr("cockpit.remote.near_end.WAITS_S", (0.1,))
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))
    desk = Desk.of([far.host("gpu1"), far.host("gpu2")])
    assert desk.folder == tmp_path / "home" / "desk" / "gpu1+gpu2"
    desk.start()
    try:
        gpu1, gpu2 = desk.hosts
        until(lambda: desk.is_heard(gpu1))
        until(lambda: bool(desk.why_not(gpu2)))
        assert desk.why_not(gpu2) == "ssh does not reach gpu2: ssh: connect to host gpu2 port 22: Connection refused."
        assert not desk.is_heard(gpu2) and desk.heard_s(gpu2) is None
        far.mend("gpu2")
        until(lambda: desk.is_heard(gpu2))
        monkeypatch.setenv("COCKPIT_HOME", str(desk.folder))
        until(lambda: {run.id for run in all_runs()} == {"same-id@gpu1", "same-id@gpu2"})
        until((desk.folder / "runs" / "same-id@gpu2" / "elsewhere.json").is_file)
        until(lambda: RunSummary.of(RunDir(desk.folder / "runs" / "same-id@gpu2")).state == "lost")
        assert desk.gpus(gpu1) is not None
    finally:
        desk.close()
