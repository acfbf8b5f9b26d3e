"""The signs that widgets draw with, and plainer ones for terminals that lack them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Glyphs:
    """One set of signs. Every sign takes one cell; `sparks` go from low to high."""

    braille: bool
    sparks: str
    bar_this_run: str
    bar_others: str
    bar_free: str
    mark: str
    broken: str
    cursor: str
    read: str
    axis: str
    tick: str
    left: str
    up: str
    down: str
    flat: str
    done: str
    stopped: str
    failed: str
    warn: str
    current: str
    waiting: str
    dot: str
    line_end: str
    wait: str
    folded: str
    unfolded: str


UNICODE = Glyphs(
    braille=True,
    sparks="▁▂▃▄▅▆▇█",
    bar_this_run="▓",
    bar_others="▒",
    bar_free="░",
    mark="◆",
    broken="×",
    cursor="┃",
    read="┊",
    axis="│",
    tick="┤",
    left="←",
    up="↑",
    down="↓",
    flat="→",
    done="✓",
    stopped="■",
    failed="✗",
    warn="▲",
    current="●",
    waiting="○",
    dot="·",
    line_end="↵",
    wait="◌",
    folded="▸",
    unfolded="▾",
)
ASCII = Glyphs(
    braille=False,
    sparks="_.-=+*%#",
    bar_this_run="#",
    bar_others="+",
    bar_free=".",
    mark="@",
    broken="x",
    cursor="!",
    read=":",
    axis="|",
    tick="+",
    left="<",
    up="^",
    down="v",
    flat="=",
    done="+",
    stopped="#",
    failed="x",
    warn="!",
    current="*",
    waiting="o",
    dot="-",
    line_end="$",
    wait="o",
    folded=">",
    unfolded="v",
)


def glyphs() -> Glyphs:
    """The signs for this terminal: plain ones on the Linux console, and where the locale is not UTF-8."""
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    return glyphs_for(os.environ.get("TERM", ""), encoding)


@lru_cache
def glyphs_for(term: str, encoding: str) -> Glyphs:
    """Those that a terminal of this kind, with output in this encoding, can show."""
    utf8 = encoding.lower().replace("-", "").replace("_", "") == "utf8"
    return UNICODE if utf8 and term != "linux" else ASCII
