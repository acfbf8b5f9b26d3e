"""Votes between base and tuned, cast without knowing which is which; a line each in the run's folder"""

from __future__ import annotations

from collections import Counter
from typing import Literal, get_args

import msgspec

from cockpit.disk import open_to_append, read_regular
from cockpit.protocol.values import UNREADABLE
from cockpit.runs.folder import RunDir

Better = Literal["tuned", "base", "neither"]
LONGEST_FILE = 1 << 24


class Vote(msgspec.Struct, frozen=True):
    """Which of two replies was the better one."""

    better: Better
    prompt: str
    tuned: str
    base: str
    """The ids of the replies, which stand in chat.jsonl."""


def cast(run: RunDir, vote: Vote) -> None:
    """Keep it. Raises OSError."""
    with open_to_append(run.votes) as log:
        log.write(msgspec.json.encode(vote) + b"\n")


def counted(run: RunDir) -> Counter[Better]:
    """How many there are of each; lines that cannot be read are none."""
    count: Counter[Better] = Counter(dict.fromkeys(get_args(Better), 0))
    try:
        lines = read_regular(run.votes, LONGEST_FILE, follow=False).splitlines()
    except OSError:
        return count
    for line in lines:
        try:
            count[msgspec.json.decode(line, type=Vote).better] += 1
        except UNREADABLE:
            continue
    return count
