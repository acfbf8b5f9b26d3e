"""How a run ends and goes on where nobody is there: in time before its machine vanishes, and what is done then."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from cockpit.recipe.section import Conflict, Field, Section, unit

SLURM = "slurm"
_clock = re.compile(r"(?:(\d{1,3})-)?(\d{1,3}):([0-5]\d)(?::([0-5]\d))?")


class Lifecycle(Section):
    """A machine that may vanish, and what is done once the run has ended. Commands run in the run's folder, by sh, with
    the run's facts in their environment (COCKPIT_RUN, COCKPIT_OUTCOME, COCKPIT_STEP, COCKPIT_RESULT ...)."""

    deadline: str | None = None
    """Time after the start at which all is to be saved: 03:50:00, 2-12:00:00 (days), or slurm for the job's own end."""

    preemption_command: str | None = Field(default=None, min_length=1)
    """Asked every 5 s whether the machine is about to vanish: its exit status 0 says yes."""

    grace_s: int = Field(default=30, ge=1, le=86_400, json_schema_extra=unit("s"))
    """Seconds that are left after SIGTERM, SIGUSR1 or the preemption command. A step that would take longer is left."""

    on_lost: Literal["wait", "resume"] = "wait"
    """A run whose engine was killed waits for a person, or resumes by itself while a command or the app follows it."""

    on_end: str | None = Field(default=None, min_length=1)
    """A command that is run once the run has ended, however that was; not after its engine was killed."""

    def conflicts(self) -> Iterator[Conflict]:
        if self.deadline is not None and self.deadline != SLURM and not self.deadline_s:
            right = "write hours, minutes and seconds, as 03:50:00, or slurm"
            yield Conflict("deadline", "this is no time after the start", right)

    @property
    def deadline_s(self) -> float | None:
        """Seconds after the start; None where there is none, and for Slurm's."""
        found = _clock.fullmatch(self.deadline or "")
        if found is None:
            return None
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60.0 + seconds
