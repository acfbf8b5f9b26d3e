"""Elsewhere: a run's folder that is the copy of one on another host, and what was last heard of it"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from cockpit.disk import read_regular, write_atomically
from cockpit.protocol.values import UNREADABLE
from cockpit.runs.liveness import Liveness
from cockpit.text.plain_text import plain_line

FILE, LIMIT_BYTES = "elsewhere.json", 1 << 14
HEARD_S = 8.0
"""A host that was heard within this time is connected: it is heard every two seconds."""


class Elsewhere(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the run's there; `liveness` and `silence_s`, of its engine, are what the host said last."""

    host: str
    id: str
    liveness: Liveness
    silence_s: float

    @classmethod
    def of(cls, folder: Path) -> Elsewhere | None:
        """None for a run of this machine."""
        try:
            return msgspec.json.decode(read_regular(folder / FILE, LIMIT_BYTES, follow=False), type=cls)
        except (OSError, *UNREADABLE):
            return None

    def write(self, folder: Path) -> None:
        """Raises OSError."""
        write_atomically(folder / FILE, msgspec.json.encode(self), durable=False)

    def heard_s(self, folder: Path) -> float:
        """Seconds since the host was last heard."""
        try:
            return max(0.0, time.time() - host_file(folder.parent.parent, self.host).stat().st_mtime)
        except OSError:
            return float("inf")

    def liveness_at(self, folder: Path) -> Liveness:
        """What can be said of the engine now: one that went on when the host was last heard is silent."""
        ended = self.liveness in ("lost", "exited")
        return self.liveness if ended or self.heard_s(folder) < HEARD_S else "silent"

    def silence_at(self, folder: Path) -> float:
        """Seconds since the engine's last sign of life that is known here."""
        heard_s = self.heard_s(folder)
        return self.silence_s if heard_s < HEARD_S else self.silence_s + heard_s

    def why_not_heard(self, folder: Path) -> str:
        """Why nothing can be asked of it now, in a sentence; empty where it can."""
        heard_s = self.heard_s(folder)
        if heard_s < HEARD_S:
            return ""
        when = f"was last heard {heard_s:.0f} s ago" if heard_s < 1e6 else "was not heard yet"
        return f"{plain_line(self.host)} {when}; try again once it is connected"


def local_name(run_id: str, host: str) -> str:
    """What the copy of a host's run is called here."""
    return f"{run_id}@{host}"


def host_file(home: Path, host: str, kind: str = "heard") -> Path:
    """What is known of a host; the time of the one called `heard` is when it was."""
    return home / "hosts" / f"{host}.{kind}"
