"""What each rank of a run says of itself in the run's folder: which process it is, that it lives, how it ended"""

from __future__ import annotations

from pathlib import Path

import msgspec

from cockpit.disk import read_regular, write_atomically
from cockpit.protocol.events import Outcome
from cockpit.protocol.values import UNREADABLE
from cockpit.runs.folder import LONGEST_IDENTITY, RunDir, modified, touch
from cockpit.runs.liveness import EngineIdentity

GOES_ON = "goes-on"


class RankEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How a rank ended before the run had. `lost_others`: it was well itself, and lost the others or was told to go."""

    outcome: Outcome
    reason: str
    advice: str = ""
    lost_others: bool = False


class RankFiles:
    """The files of one rank, in `ranks/` of the run's folder; rank 0 has them too. They are of one attempt."""

    def __init__(self, run: RunDir, rank: int) -> None:
        self._identity = run.ranks / f"{rank}.json"
        self._beat = run.ranks / f"{rank}.heartbeat"
        self._end = run.ranks / f"{rank}.end.json"

    def begin(self, backend: str) -> None:
        """Say which process this rank is; what an earlier attempt has left goes. Raises OSError."""
        self._identity.parent.mkdir(exist_ok=True)
        for old in (self._end, self._beat):
            old.unlink(missing_ok=True)
        write_atomically(self._identity, msgspec.json.encode(EngineIdentity.of_this_process(backend)), durable=False)
        self.beat()

    def beat(self) -> None:
        """Say that it lives. Raises OSError."""
        touch(self._beat)

    def beat_at(self) -> float | None:
        """When it last did, Unix time in seconds by the file system's clock; None where it never has."""
        return modified(self._beat)

    def identity(self) -> EngineIdentity | None:
        """Which process it is; None before it has said so."""
        try:
            return msgspec.json.decode(read_regular(self._identity, LONGEST_IDENTITY), type=EngineIdentity)
        except (OSError, *UNREADABLE):
            return None

    def tell_end(self, end: RankEnd) -> None:
        """Say how it ends. Raises OSError."""
        write_atomically(self._end, msgspec.json.encode(end), durable=False)

    def end(self) -> RankEnd | None:
        """How it ended; None where it has said nothing."""
        try:
            return msgspec.json.decode(read_regular(self._end, LONGEST_IDENTITY), type=RankEnd)
        except (OSError, *UNREADABLE):
            return None


def forget_ranks(run: RunDir) -> None:
    """Remove what ranks of an earlier attempt have said of themselves; their output stays. Raises OSError."""
    if run.ranks.is_dir() and not run.ranks.is_symlink():
        for path in run.ranks.iterdir():
            if path.suffix in (".json", ".heartbeat"):
                path.unlink(missing_ok=True)


def wish_to_go_on(run: RunDir) -> None:
    """Have whoever has started the ranks start them anew, for the order to train that lies there. Raises OSError."""
    touch(run.ranks / GOES_ON)


def take_wish_to_go_on(run: RunDir) -> bool:
    """Whether the ranks are to be started anew; that they are is known once."""
    try:
        (run.ranks / GOES_ON).unlink()
    except OSError:
        return False
    return True


def rank_log(run: RunDir, rank: int) -> Path:
    """Where a rank's raw output goes: that of rank 0 is engine.log."""
    return run.ranks / f"{rank}.log" if rank else run.engine_log


def ranks_of(run: RunDir) -> list[int]:
    """The ranks that have an output of their own, and rank 0."""
    try:
        names = [path.stem for path in run.ranks.glob("*.log")]
    except OSError:
        names = []
    return [0, *sorted(int(name) for name in names if name.isdecimal() and int(name))]
