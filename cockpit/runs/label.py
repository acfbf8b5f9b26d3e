"""Label: what a person has called a run, its tags and a note, in a file of the run's folder"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from cockpit.disk import read_regular, write_atomically
from cockpit.protocol.values import UNREADABLE
from cockpit.text.plain_text import plain_line

FILE, LIMIT_BYTES = "label.json", 1 << 16
LONGEST_NAME, LONGEST_TAG, LONGEST_NOTE = 60, 24, 2000
_tag = re.compile(r"[\w.+-]+")


class HasFolder(Protocol):
    """A run, of which `runs/folder.py` looks for the label too."""

    @property
    def id(self) -> str:
        """The folder's name."""

    @property
    def path(self) -> Path:
        """The folder."""


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """Empty: not given. The run's id stays what it is."""

    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""

    @classmethod
    def of(cls, run: HasFolder) -> Label:
        """The run's label; an empty one where there is none, or it is damaged."""
        try:
            found = msgspec.json.decode(read_regular(run.path / FILE, LIMIT_BYTES, follow=False), type=cls)
        except (OSError, *UNREADABLE):
            return cls()
        tags = tuple(plain_line(tag)[:LONGEST_TAG] for tag in found.tags)
        return cls(name=plain_line(found.name)[:LONGEST_NAME], tags=tags, note=plain_line(found.note)[:LONGEST_NOTE])

    @classmethod
    def parse(cls, line: str) -> Label:
        """As `line` writes it: a name, #tags, and a note behind a |."""
        named, _, note = line.partition("|")
        words = plain_line(named).split()
        tags = tuple(dict.fromkeys(word.removeprefix("#") for word in words if word.startswith("#")))
        name = " ".join(word for word in words if not word.startswith("#"))
        return cls(name=name, tags=tags, note=plain_line(note).strip())

    def line(self) -> str:
        """All of it in one line, to be changed."""
        named = " ".join([self.name, *(f"#{tag}" for tag in self.tags)]).strip()
        return f"{named} | {self.note}".strip() if self.note else named

    def why_not(self) -> str:
        """Why a run cannot have this label, in a sentence; empty where it can."""
        if len(self.name) > LONGEST_NAME:
            return f"A name has at most {LONGEST_NAME} characters; this one has {len(self.name)}."
        if len(self.note) > LONGEST_NOTE:
            return f"A note has at most {LONGEST_NOTE:,} characters; this one has {len(self.note):,}."
        for tag in self.tags:
            if not _tag.fullmatch(tag) or len(tag) > LONGEST_TAG:
                return f"{tag!r} is no tag; write up to {LONGEST_TAG} letters, digits, dots, dashes or underlines."
        return ""

    def write(self, run: HasFolder) -> None:
        """Put it into the run's folder, or take away what is there where it is empty. Raises OSError."""
        path = run.path / FILE
        if self == Label():
            path.unlink(missing_ok=True)
        else:
            write_atomically(path, msgspec.json.encode(self), durable=False)


@contextmanager
def changing(run: HasFolder) -> Iterator[Label]:
    """The label as it is, which nobody else changes meanwhile. Raises OSError."""
    folder = os.open(run.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield Label.of(run)
    finally:
        os.close(folder)


def is_name_of(name: str, runs: Iterable[HasFolder]) -> str:
    """Says in a sentence which of these runs were given that name, so that their ids can be given; empty where none."""
    if not (ids := [plain_line(run.id) for run in runs if name and Label.of(run).name == name]):
        return ""
    return f"'{plain_line(name)}' is the name of {', '.join(ids)}, and commands take a run's id; give that."
