"""A real sshd of this machine, on loopback: two hosts, one behind the other, and a line that is cut in mid-run."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from cockpit.protocol.commands import Pause
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import LogWritten
from cockpit.remote.desk import Desk
from cockpit.remote.host import Host
from cockpit.remote.parcel import Parcel
from cockpit.runs.folder import RunDir
from tests.recording import record

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
pytestmark = pytest.mark.skipif(not Path(SSHD).is_file() or not shutil.which("ssh"), reason="there is no sshd here")
CONFIG = """\
Host gpu1
  SetEnv COCKPIT_HOME={place}/gpu1
Host gpu2
  SetEnv COCKPIT_HOME={place}/gpu2
  ProxyJump gpu1
Host *
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {place}/key
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile {place}/known
  LogLevel ERROR
"""
SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {place}/hostkey
AuthorizedKeysFile {place}/key.pub
PidFile none
StrictModes no
UsePAM no
AcceptEnv COCKPIT_HOME
"""


class Sshd:
    """It can be cut off, with all that it carries, and be there again."""

    def __init__(self, place: Path) -> None:
        self.place = place
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        for name in ("hostkey", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / name], check=True)
        user = pwd.getpwuid(os.geteuid()).pw_name
        facts = {"port": self.port, "place": place, "user": user}
        (place / "sshd_config").write_text(SERVER.format(**facts))
        (place / "config").write_text(CONFIG.format(**facts))
        self.begin()

    def begin(self) -> None:
        """Take connections."""
        command = [SSHD, "-D", "-e", "-f", str(self.place / "sshd_config")]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until(self._listens)

    def _listens(self) -> bool:
        assert self._process.poll() is None, "sshd does not start"
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def cut(self) -> None:
        """End it, and each of its processes that carries a connection."""
        if self._process.poll() is not None:
            return
        carriers = [one for one in psutil.Process(self._process.pid).children(recursive=True) if "sshd" in one.name()]
        for one in carriers:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGKILL)
        self._process.kill()
        self._process.wait()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where its processes give up their rights
    source, bin_ = Path(__file__).resolve().parents[2], tmp_path / "bin"
    bin_.mkdir()
    for name, text in (
        ("ssh", f'exec {shutil.which("ssh")} -F {tmp_path}/config "$@"'),
        ("cockpit", f'PYTHONPATH={source} exec {sys.executable} -P -m cockpit "$@"'),
    ):
        (bin_ / name).write_text(f"#!/bin/sh\n{text}\n")
        (bin_ / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("cockpit.remote.near_end.WAITS_S", (0.2,))
    found = Sshd(tmp_path)
    yield found
    found.cut()


def hosts(sshd: Sshd) -> list[Host]:
    return [Host(name, command=str(sshd.place / "bin" / "cockpit")) for name in ("gpu1", "gpu2")]


def test_two_hosts_are_followed_through_a_cut_without_a_line_missing_or_doubled(sshd: Sshd) -> None:
    runs = {
        name: record(sshd.place / name / "runs", run_id="demo", ending="going", steps=50) for name in ("gpu1", "gpu2")
    }
    writers = [EventWriter(run.events) for run in runs.values()]
    desk = Desk.of(hosts(sshd))
    desk.start()
    try:
        copies = {name: RunDir(desk.folder / "runs" / f"demo@{name}") for name in runs}

        def are_alike() -> bool:
            return all(
                copies[name].events.is_file() and copies[name].events.read_bytes() == runs[name].events.read_bytes()
                for name in runs
            )

        until(are_alike)
        until(lambda: all(map(desk.is_heard, desk.hosts)))
        until(lambda: all(copy.liveness() == "alive" for copy in copies.values()))
        copies["gpu2"].touch_lease()
        copies["gpu2"].send(Pause(id="p"))
        until(lambda: bool(list(runs["gpu2"].commands.glob("*.json"))))
        for count in range(100):
            for writer in writers:
                writer.append(LogWritten(level="info", text=f"line {count}"))
            if count == 50:
                sshd.cut()
        until(lambda: all(desk.why_not(host) for host in desk.hosts))
        until(lambda: desk.why_not(desk.hosts[0]).startswith("ssh does not reach gpu1: "))
        sshd.begin()
        until(are_alike)
    finally:
        desk.close()


def test_a_run_comes_home_over_a_line_that_is_cut(sshd: Sshd) -> None:
    run = record(sshd.place / "gpu2" / "runs", run_id="demo")
    shutil.rmtree(run.adapter)
    run.adapter.mkdir()
    (run.adapter / "adapter_config.json").write_text("{}")
    (run.adapter / "weights.bin").write_bytes(os.urandom(8 << 20))
    parcel = Parcel(hosts(sshd)[1], "last")

    def cut() -> None:
        if 1 << 20 < parcel.done < 7 << 20:
            sshd.cut()

    with pytest.raises(ConnectionError):
        parcel.fetch(cut)
    sshd.begin()
    parcel.fetch(lambda: None)
    assert parcel.again > 1 << 20
    assert parcel.wrong() == []
    kept = parcel.run
    assert parcel.keep() is None
    assert (kept.adapter / "weights.bin").read_bytes() == (run.adapter / "weights.bin").read_bytes()
