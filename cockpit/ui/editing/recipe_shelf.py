"""RecipeShelf: the library's recipes, each file read again only when it has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.recipe.library import LibraryEntry, library
from cockpit.ui.widgets.recipe_list import RecipeRow

if TYPE_CHECKING:
    from cockpit.machine.gpu import GpuReport
    from cockpit.preflight.memory import Fit
    from cockpit.preflight.outlook import Forecaster

NOTICED_MIB = 256.0
"""Changes of a GPU's used memory that are smaller are not worth a forecast of all recipes."""


class RecipeShelf:
    """`look` lists the files; their contents are read when they are asked for. A key is a file's path."""

    def __init__(self) -> None:
        self.entries: dict[str, LibraryEntry] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._fits: dict[str, Fit | None] = {}
        self._judged: object = None

    async def judge(self, forecaster: Forecaster, report: GpuReport) -> bool:
        """Forecast which recipes fit into the GPUs of the report, one by one, so that no frame waits for all; whether
        that has changed. What nothing hangs on, such as a GPU's temperature, changes nothing."""
        held = [(gpu.uuid, gpu.vram_total_mib, round((gpu.vram_used_mib or 0) / NOTICED_MIB)) for gpu in report.gpus]
        seen = (held, dict(self._stamps))
        if seen == self._judged:
            return False
        await asyncio.to_thread(forecaster.learn)
        fits: dict[str, Fit | None] = {}
        for key, entry in list(self.entries.items()):
            if entry.document is not None and not entry.problems:
                fits[key] = forecaster.outlook(entry.document.recipe(), report, None).fit
            await asyncio.sleep(0)
        was, self._fits, self._judged = self._fits, fits, seen
        return was != fits

    async def read_ahead(self) -> None:
        """Have another thread read the headers of the weights that recipes name, before their cards are asked for."""
        from cockpit.preflight.machine import read_ahead

        for entry in list(self.entries.values()):
            if entry.document is not None and not entry.problems:
                await asyncio.to_thread(read_ahead, entry.document.recipe().model)

    def look(self) -> None:
        """See which recipes there are."""
        found = {str(entry.path): entry for entry in library()}
        stamps = {key: _stamp(entry.path) for key, entry in found.items()}
        same = {key for key in found if key in self.entries and self._stamps[key] == stamps[key]}
        self.entries = {key: self.entries[key] if key in same else entry for key, entry in found.items()}
        self._stamps = stamps

    def key_of(self, wanted: str) -> str | None:
        """The recipe of this name, the user's own before a shipped one, or of this key."""
        return next((key for key, entry in self.entries.items() if wanted in (entry.name, key)), None)

    def first_sound(self) -> str | None:
        """The first that can be used; reads as many as it takes."""
        return next((key for key, entry in self.entries.items() if entry.document and not entry.problems), None)

    def rows(self, words: Sequence[str] = (), *, read: bool) -> list[RecipeRow]:
        """A line each, of those that `words`, in lower case, are all said of; what has not been read is read for
        `read`, else only named."""
        entries = self.entries.items()
        rows = ((entry, _row(key, entry, read or entry.is_read, self._fits.get(key))) for key, entry in entries)
        return [row for entry, row in rows if all(word in _said_of(entry, row) for word in words)]


def _said_of(entry: LibraryEntry, row: RecipeRow) -> str:
    """What a filter looks through."""
    origin = "broken" if row.problem else "yours" if row.is_yours else ""
    model = entry.document.value("model.name_or_path") if entry.is_read and entry.document is not None else ""
    return f"{row.name} {row.title} {row.needs} {origin} {model}".lower()


def _row(key: str, entry: LibraryEntry, is_read: bool, fit: Fit | None) -> RecipeRow:
    is_yours = entry.origin == "yours"
    if not is_read:
        return RecipeRow(key, entry.name, is_yours=is_yours)
    if entry.document is None or entry.problems:
        return RecipeRow(key, entry.name, is_yours=is_yours, problem=str(entry.problems[0]))
    about = entry.document.recipe().about
    return RecipeRow(key, entry.name, about.needs, about.duration, is_yours, title=about.title, fit=fit)


def _stamp(path: Path) -> tuple[int, int]:
    """Changes whenever the file does."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)
