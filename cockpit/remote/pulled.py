"""Pulled: what is kept of a run that was brought home, at both ends"""

from __future__ import annotations

import msgspec

from cockpit.disk import read_regular, write_atomically
from cockpit.protocol.values import UNREADABLE
from cockpit.runs import checksums
from cockpit.runs.folder import RunDir

PULLED, LIMIT_BYTES = "pulled.json", 1 << 22
FilesOf = dict[str, tuple[int, str]]
"""Size and SHA-256 of each of a run's files, by its path in the run's folder."""
FOLDERS = ("checkpoints", "adapter", "model")
"""Of which all files may come."""


class Pulled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What both ends keep of a pull that was verified: when, where to (at home: where from), and the digest of the
    result. `files`, at home alone, are what came."""

    at: float
    to: str
    digest: str
    files: FilesOf = {}

    @classmethod
    def of(cls, run: RunDir) -> Pulled | None:
        """None where no pull was verified."""
        try:
            return msgspec.json.decode(read_regular(run.path / PULLED, LIMIT_BYTES, follow=False), type=cls)
        except (OSError, *UNREADABLE):
            return None

    def write(self, run: RunDir) -> None:
        """Raises OSError."""
        write_atomically(run.path / PULLED, msgspec.json.encode(self))


def digest_of(run: RunDir) -> str:
    """Of what the run has saved: the SHA-256 of its list of checksums; empty where it has saved nothing."""
    if run.result is None:
        return ""
    try:
        return checksums.sha256(run.result / checksums.CHECKSUMS)
    except OSError:
        return ""
