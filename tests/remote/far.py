"""A far machine that is this one: a home of its own, and an `ssh` on the PATH that runs what it is told here."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cockpit.remote.host import Host
from cockpit.runs.folder import RunDir
from tests.recording import Ending, record

SSH = """\
#!/bin/sh
# Options, --, the target, the command. {far}/TARGET is its home; TARGET.cut cuts the line, now or after so many bytes.
[ "$1" = -G ] && exit 0
while [ "$1" != -- ]; do shift; done
shift
cut="{far}/$1.cut"
echo "$1 $2" >> "{far}/asked"
if [ -e "$cut" ] && [ ! -s "$cut" ]; then echo "ssh: connect to host $1 port 22: Connection refused" >&2; exit 255; fi
export COCKPIT_HOME="{far}/$1"
if [ -e "$cut" ]; then
  bytes=$(cat "$cut"); : > "$cut"; rm "$cut"
  sh -c "$2" | head -c "$bytes"; exit 255
fi
exec sh -c "$2"
"""
COCKPIT = """\
#!/bin/sh
PYTHONPATH={source} exec {python} -P -m cockpit "$@"
"""


@dataclass
class Far:
    """`place` holds the homes of the hosts."""

    place: Path

    @classmethod
    def at(cls, place: Path, monkeypatch: pytest.MonkeyPatch) -> Far:
        """Put the ssh first on the PATH."""
        bin_ = place / "bin"
        bin_.mkdir(parents=True)
        source = Path(__file__).resolve().parents[2]
        cockpit = COCKPIT.format(source=source, python=sys.executable)
        for name, text in (("ssh", SSH.format(far=place)), ("cockpit", cockpit)):
            (bin_ / name).write_text(text)
            (bin_ / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{bin_}{os.pathsep}{os.environ['PATH']}")
        return cls(place)

    def host(self, name: str = "gpu1") -> Host:
        """As in ssh://name/path/to/cockpit."""
        return Host(name, command=str(self.place / "bin" / "cockpit"))

    def home(self, name: str = "gpu1") -> Path:
        """The host's COCKPIT_HOME."""
        return self.place / name

    def record(self, run_id: str, ending: Ending = "completed", name: str = "gpu1") -> RunDir:
        """A recorded run at the host."""
        return record(self.home(name) / "runs", run_id=run_id, ending=ending, steps=20)

    def cut(self, after_bytes: int | None = None, name: str = "gpu1") -> None:
        """Let no connection come about; or end the next one after so many bytes."""
        (self.place / f"{name}.cut").write_text("" if after_bytes is None else str(after_bytes))

    def mend(self, name: str = "gpu1") -> None:
        """Let connections come about again."""
        (self.place / f"{name}.cut").unlink(missing_ok=True)

    def asked(self) -> list[str]:
        """What ssh was asked to run so far: target and command."""
        return (self.place / "asked").read_text().splitlines()
