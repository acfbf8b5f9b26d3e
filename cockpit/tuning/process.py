"""TuneProcess: `cockpit tune` as a child process, for a reader that must not wait; polled, never waited for"""

from __future__ import annotations

import signal
import subprocess
import tempfile
from contextlib import suppress
from typing import IO

import msgspec

from cockpit.machine.child_environment import child_environment, python_command
from cockpit.text.plain_text import plain_text
from cockpit.tuning.told import Told, decode

SHOWN_LINES = 5
"""Of what the child says is wrong."""


class TuneProcess:
    """One child, from its start to its end."""

    def __init__(self, recipe_text: str, budget_s: float) -> None:
        """Start it; it reads the recipe on stdin. Raises OSError."""
        self.problem = ""
        """Why it ended without an answer, in plain sentences, a line each."""
        # Files, as a child that fills a pipe would wait until somebody reads it.
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        self._rest, self._at = b"", 0
        command = python_command("cockpit", "tune", "-", "--json", "--budget", f"{budget_s:g}s")
        with tempfile.TemporaryFile() as recipe:
            recipe.write(recipe_text.encode())
            recipe.seek(0)
            self._process = _started(command, recipe, self._out, self._err)

    @property
    def is_running(self) -> bool:
        """Whether it may say more."""
        return self._process.poll() is None

    def poll(self) -> list[Told]:
        """What it has said since the last time."""
        is_over = not self.is_running  # asked before reading: what it said before it ended is then read
        self._out.seek(self._at)
        content = self._out.read()
        self._at += len(content)
        *lines, self._rest = (self._rest + content).split(b"\n")
        told = []
        for line in lines:
            with suppress(msgspec.MsgspecError):
                told.append(decode(line))
        if is_over and self._process.returncode not in (0, 130) and not self.problem:
            self._err.seek(0)
            said = plain_text(self._err.read().decode(errors="replace")).splitlines()
            said = [line.strip().removeprefix("stdin: ") for line in said if line.strip()]
            self.problem = "\n".join(said[-SHOWN_LINES:]) or f"Tuning ended with status {self._process.returncode}."
        return told

    def stop(self) -> None:
        """End it with what is known by now; it says that before it goes."""
        if self.is_running:
            self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Nobody reads any more: it ends its engine and goes. It is not waited for."""
        self.stop()
        self._out.close()
        self._err.close()


def _started(command: list[str], stdin: IO[bytes], out: IO[bytes], err: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, stdin=stdin, stdout=out, stderr=err, env=child_environment(), start_new_session=True
    )
