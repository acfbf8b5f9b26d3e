"""DataLook: looks at a recipe's data in a child process, which imports what no screen may; polled, never waited for"""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Sequence

import msgspec

from cockpit.data.report import DataReport
from cockpit.machine.child_environment import child_environment, python_command
from cockpit.text.plain_text import plain_text

ENDS_WITHIN_S = 2.0
SHOWN_LINES = 5
"""Of what the child says is wrong."""
COMMAND = tuple(python_command("cockpit", "data", "-", "--json"))


def look_at_run(run_id: str) -> DataLook:
    """A look at the data of a run. Raises OSError."""
    return DataLook("", python_command("cockpit", "data", run_id, "--json"))


class DataLook:
    """One look at the data of a recipe, from its start to its report or to what is wrong."""

    def __init__(self, recipe_text: str, command: Sequence[str] = COMMAND) -> None:
        """Start the child, which reads the recipe on stdin. Raises OSError."""
        self.report: DataReport | None = None
        self.problem = ""
        """Why there is no report, in plain sentences, a line each; empty while all is well."""
        self._started = time.monotonic()
        # Files, as a child that fills a pipe would wait until somebody reads it.
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        with tempfile.TemporaryFile() as recipe:
            recipe.write(recipe_text.encode())
            recipe.seek(0)
            self._process = subprocess.Popen(
                command,
                stdin=recipe,
                stdout=self._out,
                stderr=self._err,
                env=child_environment(),
                start_new_session=True,
            )

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self._started

    @property
    def is_running(self) -> bool:
        """Whether the child still runs."""
        return self._process.poll() is None

    @property
    def is_over(self) -> bool:
        """Whether there is a report or a problem."""
        return self.report is not None or bool(self.problem)

    def poll(self) -> bool:
        """Look whether the child has ended; whether the look is over."""
        if not self.is_over and not self.is_running:
            self._take_in(self._process.returncode)
        return self.is_over

    def end(self) -> None:
        """End the child, where it still runs, and forget what it has said."""
        if self.is_running:
            self._process.kill()
            try:
                self._process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                pass  # it hangs in a driver or a file system, and dies when that answers
        self._out.close()
        self._err.close()

    def _take_in(self, status: int) -> None:
        try:
            self._out.seek(0)
            self.report = msgspec.json.decode(self._out.read(), type=DataReport)
        except msgspec.DecodeError:
            self._err.seek(0)
            said = plain_text(self._err.read().decode(errors="replace")).splitlines()
            lines = [re.sub(r"^stdin(:\d+)?: ", "", line).strip() for line in said if line.strip()]
            self.problem = "\n".join(lines[-SHOWN_LINES:]) or f"Looking at the data ended with status {status}."
