"""A checkpoint of several ranks: rank 0 writes it and says whether it stands, the others put their random numbers in"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cockpit.engine.errors import RunFailure, first_line
from cockpit.engine.rank import Ranks

RANDOM = "rng_state.pth"
"""What a single rank resumes with; of several each has its own, which transformers names by their numbers."""


class RankSaving:
    """Used by every rank at the same step. A write that fails on one fails on all, and rank 0 alone tries again."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks

    def write(self, folder: Path, write_state: Callable[[], None]) -> None:
        """On rank 0, perhaps more than once: have all ranks write into `folder`. Raises what went wrong."""
        if not self._ranks.are_several:
            write_state()
            return
        self._ranks.share(True)
        self._together(write_state)
        shutil.copyfile(folder / RANDOM.replace(".", "_0."), folder / RANDOM)

    def follow(self, write_part: Callable[[], None]) -> bool:
        """On the others: write as often as rank 0 asks for it. Whether the checkpoint stands."""
        while self._ranks.share(False):
            with suppress(Exception):  # rank 0 is told, and says what is done about it
                self._together(write_part)
        return self._ranks.share(False)

    def end(self, stands: bool) -> None:
        """On rank 0: nothing more is written."""
        if self._ranks.are_several:
            self._ranks.share(False)
            self._ranks.share(stands)

    def _together(self, write: Callable[[], None]) -> None:
        failed: Exception | None = None
        try:
            write()
        except Exception as error:
            failed = error
        found = self._ranks.gather("" if failed is None else first_line(failed))
        if failed is not None:
            raise failed
        for rank, why in enumerate(found):
            if why:
                raise RunFailure(f"Rank {rank} could not write its part: {why}")
