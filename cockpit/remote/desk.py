"""Desk: the hosts whose runs are shown here: a process for each that keeps copies of their logs, and how each stands"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from cockpit.disk import read_regular, write_atomically
from cockpit.machine.child_environment import child_environment, python_command
from cockpit.machine.gpu import GpuReport
from cockpit.paths import home
from cockpit.protocol.values import UNREADABLE
from cockpit.remote.host import Host
from cockpit.runs.elsewhere import HEARD_S, host_file
from cockpit.text.plain_text import plain_line

LONGEST = 1 << 22


class HostState(msgspec.Struct, frozen=True, kw_only=True):
    """connected; or waiting to try again, and `why`."""

    name: str
    state: str = "waiting"
    why: str = ""

    def write(self, folder: Path) -> None:
        """Keep it: the file's time is when it was last heard, where that is so."""
        if self.state == "connected":
            write_atomically(host_file(folder, self.name), b"", durable=False)
        write_atomically(host_file(folder, self.name, "json"), msgspec.json.encode(self), durable=False)

    @classmethod
    def of(cls, folder: Path, name: str) -> HostState:
        """What was told last."""
        try:
            found = msgspec.json.decode(read_regular(host_file(folder, name, "json"), LONGEST), type=cls)
        except (OSError, *UNREADABLE):
            return cls(name=name)
        return found


@dataclass
class Desk:
    """`folder` is the COCKPIT_HOME that the app looks at: one for these hosts together."""

    hosts: list[Host]
    folder: Path
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, hosts: list[Host]) -> Desk:
        """Where the copies lie, below the home of this machine's own runs. Raises ValueError with a sentence where two
        of the hosts have one name."""
        for name in {host.name for host in hosts}:
            if len(addresses := sorted({host.url for host in hosts if host.name == name})) > 1:
                shown = " and ".join(map(plain_line, addresses))
                raise ValueError(
                    f"{shown} are all called {plain_line(name)} here; give one of them, or an alias for each in your "
                    "ssh config."
                )
        hosts = list(dict.fromkeys(hosts))
        return cls(hosts, home() / "desk" / "+".join(sorted(host.address for host in hosts)))

    def start(self) -> None:
        """Begin to follow all of them. Raises OSError."""
        (self.folder / "runs").mkdir(parents=True, exist_ok=True, mode=0o700)
        for host in self.hosts:
            command = python_command("cockpit.remote.near_end", host.url, str(self.folder))
            self._processes.append(
                subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    env=child_environment(), start_new_session=True,
                )
            )  # fmt: skip

    def close(self) -> None:
        """Follow them no more."""
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
            process.wait()

    def host(self, name: str) -> Host | None:
        """The host of that name."""
        return next((host for host in self.hosts if host.name == name), None)

    def heard_s(self, host: Host) -> float | None:
        """Seconds since it was last heard; None where it never was."""
        try:
            return max(0.0, time.time() - host_file(self.folder, host.name).stat().st_mtime)
        except OSError:
            return None

    def is_heard(self, host: Host) -> bool:
        """Whether it is connected."""
        heard_s = self.heard_s(host)
        return heard_s is not None and heard_s < HEARD_S

    def why_not(self, host: Host) -> str:
        """Why it is not connected, as far as that is known, in a sentence; empty where nothing has been tried yet."""
        return HostState.of(self.folder, host.name).why

    def gpus(self, host: Host) -> GpuReport | None:
        """What its driver said when it was connected; None before."""
        try:
            content = read_regular(host_file(self.folder, host.name, "gpus"), LONGEST)
            return msgspec.json.decode(content, type=GpuReport)
        except (OSError, *UNREADABLE):
            return None
