"""What files are called where several have one base name: by as much of their paths as tells them apart"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cockpit.text.plain_text import plain_line


def names_of(paths: Iterable[Path]) -> dict[Path, str]:
    """A name for each path, other ones for other paths: `rows.jsonl`, or `one/rows.jsonl` and `two/rows.jsonl`."""
    lengths = dict.fromkeys(paths, 1)
    while True:
        names = {path: plain_line("/".join(path.parts[-length:])) for path, length in lengths.items()}
        taken = list(names.values())
        alike = {path for path, name in names.items() if taken.count(name) > 1}
        longer = {path: lengths[path] + 1 for path in alike if lengths[path] < len(path.parts)}
        if not longer:
            return names
        lengths |= longer
