"""Host: another machine as OpenSSH reaches it: all but a few options comes from the user's own ssh config"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cockpit.text.plain_text import plain_line

SCHEME = "ssh://"
_url = re.compile(
    r"ssh://(?P<target>[^/:\s@-][^/:\s@]*(?:@[^/:\s@-][^/:\s@]*)?)(?::(?P<port>\d{1,5}))?(?P<command>/.*)?"
)
USUAL = ("cockpit", '"$HOME/.local/bin/cockpit"', '"$HOME/.venv/bin/cockpit"')
"""Where the command is looked for; a shell that nobody types into often has a short PATH."""
NOT_INSTALLED = 127
ALIVE_S, ALIVE_TIMES = 5, 3
"""A connection that is not heard of for so many times so many seconds is taken for lost."""
CONNECT_S = 15


@dataclass(frozen=True)
class Host:
    """`target` as ssh takes it: an alias of the config, or user@name. `command`: cockpit's path there, empty where it
    is looked for."""

    target: str
    port: int | None = None
    command: str = ""

    @classmethod
    def parse(cls, url: str) -> Host:
        """ssh://[user@]name[:port][/path/to/cockpit]. Raises ValueError with a sentence."""
        found = _url.fullmatch(url if url.startswith(SCHEME) else f"{SCHEME}{url}")
        if found is None or not 0 < int(found["port"] or 1) < 65536:
            raise ValueError(
                f"{plain_line(url)} is no host; write ssh://HOST, as in your ssh config, or "
                "ssh://USER@HOST:PORT/path/to/cockpit."
            )
        command = (found["command"] or "").rstrip("/")
        return cls(found["target"], int(found["port"]) if found["port"] else None, command)

    @property
    def name(self) -> str:
        """What it is called on the screen, and in the names of folders."""
        return self.target.rpartition("@")[2] + (f":{self.port}" if self.port else "")

    @property
    def address(self) -> str:
        """Whom ssh asks: two users of one machine have the same name, and not the same runs."""
        return self.target + (f":{self.port}" if self.port else "")

    @property
    def url(self) -> str:
        """As `parse` reads it."""
        return f"{SCHEME}{self.address}{self.command}"

    def ssh(self, arguments: Sequence[str], *, asks: bool = False) -> list[str]:
        """The command line that runs cockpit there. `asks`: ssh may ask for a password, or whether a key is right."""
        if self.command:
            script = shlex.join([self.command, *arguments])
        else:
            given = shlex.join(arguments)
            tries = "; ".join(f"command -v {one} >/dev/null 2>&1 && exec {one} {given}" for one in USUAL)
            script = f"{tries}; echo cockpit is not installed >&2; exit {NOT_INSTALLED}"
        port = ["-p", str(self.port)] if self.port else []
        batch = [] if asks else ["-oBatchMode=yes"]
        return ["ssh", "-T", *batch, *self._options, *port, "--", self.target, f"sh -c {shlex.quote(script)}"]

    @cached_property
    def _options(self) -> list[str]:
        """What the user's config does not say itself: one connection for all, and how soon a lost one is noticed."""
        port = ["-p", str(self.port)] if self.port else []
        try:
            asked = subprocess.run(
                ["ssh", "-G", *port, "--", self.target], capture_output=True, text=True, timeout=CONNECT_S, check=False
            )
            lines = asked.stdout.lower().splitlines()
        except (OSError, subprocess.TimeoutExpired):
            lines = []
        said = dict(line.partition(" ")[::2] for line in lines)
        options = []
        if said.get("controlpath", "none") == "none":
            # Not %C: two aliases may lead to one machine, each with an environment of its own.
            socket = f"{_sockets()}/{hashlib.sha256(f'{self.target}:{self.port}'.encode()).hexdigest()[:16]}"
            options += ["-oControlMaster=auto", "-oControlPersist=60", f"-oControlPath={socket}"]
        if said.get("serveraliveinterval", "0") == "0":
            options += [f"-oServerAliveInterval={ALIVE_S}", f"-oServerAliveCountMax={ALIVE_TIMES}"]
        if said.get("connecttimeout", "none") in ("none", "0"):
            options.append(f"-oConnectTimeout={CONNECT_S}")
        return options


def _sockets() -> str:
    """A folder of ours for the sockets of connections: short, as a socket's path has at most 107 bytes."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(runtime if runtime and len(runtime) < 40 else tempfile.gettempdir(), f"cockpit-{os.geteuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise OSError(f"{folder} belongs to somebody else; remove it, or set XDG_RUNTIME_DIR to a folder of yours.")
    return str(folder)


def why_failed(name: str, status: int, said: str) -> str:
    """Why ssh has ended with this status, in a sentence; `said` is what it wrote."""
    last = next((plain_line(line) for line in reversed(said.splitlines()) if line.strip()), "")
    if status == NOT_INSTALLED:
        return (
            f"cockpit was not found on {name}; install it there (pip install finetune-cockpit), or say where it is: "
            f"ssh://{name}/path/to/cockpit."
        )
    if status == 255:
        return f"ssh does not reach {name}: {last or 'it gives no reason'}."
    return f"cockpit on {name} has ended with status {status}: {last or 'it gives no reason'}."
