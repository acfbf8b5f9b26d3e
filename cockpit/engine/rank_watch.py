"""RankWatch: rank 0's look at the others: whether all of them live, and which one was the first to go"""

from __future__ import annotations

import time

from cockpit.protocol.events import RunEnded
from cockpit.runs.folder import RunDir
from cockpit.runs.ranks import RankEnd, RankFiles

SILENT_AFTER_S = 25.0
"""A rank on another machine, whose process cannot be looked at, is lost after so long without a sign of life."""
CAUSE_WITHIN_S = 5.0
"""How long a rank is looked for that was the first to go, once another says that it has lost the others."""


class RankWatch:
    """Of the ranks of one attempt, from its beginning. Reads their files, and asks the system for their processes."""

    def __init__(self, run: RunDir, world: int) -> None:
        self._files = {rank: RankFiles(run, rank) for rank in range(1, world)}
        self._world = world
        self._lost_since: float | None = None
        self.are_done = False
        """Whether the others may end, as training is over."""

    def pids(self) -> tuple[int, ...]:
        """Of the ranks of this machine that have begun, without rank 0."""
        named = [files.identity() for files in self._files.values()]
        return tuple(one.pid for one in named if one is not None and one.is_on_this_boot())

    def beat_at(self) -> float | None:
        """The oldest of the last signs of life, Unix time in seconds; None while a rank has not begun."""
        beats = [files.beat_at() for files in self._files.values()]
        known = [beat for beat in beats if beat is not None]
        return min(known) if known and len(known) == len(beats) and not self.are_done else None

    def look(self) -> RunEnded | None:
        """How the run ends as a rank has ended before it; None while all of them are well. `step` is left at 0."""
        if self.are_done:
            return None
        ends = {rank: files.end() for rank, files in self._files.items()}
        for rank, end in ends.items():
            if end is not None and not end.lost_others:
                return self._ended(rank, end)
        for rank, end in ends.items():
            if end is None and (why := self._why_gone(self._files[rank])):
                return RunEnded(
                    outcome="failed",
                    step=0,
                    reason=f"Rank {rank} of {self._world} {why}.",
                    advice="The run resumes from its newest checkpoint with: cockpit resume.",
                    rank=rank,
                    rank_lost=True,
                )
        others = [(rank, end) for rank, end in ends.items() if end is not None]
        if not others:
            return None
        self._lost_since = self._lost_since or time.monotonic()
        waits = time.monotonic() - self._lost_since < CAUSE_WITHIN_S
        return None if waits else self._ended(*others[0])

    def cause(self) -> RunEnded | None:
        """As `look`, of a run that has just lost a rank: waits a moment until it is seen which."""
        deadline = time.monotonic() + CAUSE_WITHIN_S + 1.0
        while (found := self.look()) is None and time.monotonic() < deadline and not self.are_done:
            time.sleep(0.05)
        return found

    def _ended(self, rank: int, end: RankEnd) -> RunEnded:
        reason = f"Rank {rank} of {self._world}: {end.reason}"
        return RunEnded(outcome=end.outcome, step=0, reason=reason, advice=end.advice, rank=rank)

    def _why_gone(self, files: RankFiles) -> str:
        """The end of a sentence; empty for a rank that lives, or has not begun."""
        identity = files.identity()
        if identity is None:
            return ""
        if identity.is_on_this_boot():
            return "" if identity.is_running() else f"(process {identity.pid}) was killed, or has ended without a word"
        silence = time.time() - (files.beat_at() or 0.0)
        if silence < SILENT_AFTER_S:
            return ""
        return f"(process {identity.pid} on {identity.host}) has given no sign of life for {silence:.0f} s"
