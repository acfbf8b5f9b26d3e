"""A table of trials and failures, as the tortures print it"""

from __future__ import annotations

from collections import Counter


class Table:
    """Counts trials by what was done to what."""

    def __init__(self, *heads: str) -> None:
        self._heads = heads
        self._trials: Counter[tuple[str, ...]] = Counter()
        self._failed: Counter[tuple[str, ...]] = Counter()

    def add(self, *row: str | bool) -> None:
        """One trial: a text for each head, and whether it went well."""
        *texts, is_good = row
        key = tuple(map(str, texts))
        self._trials[key] += 1
        self._failed[key] += not is_good

    @property
    def failures(self) -> int:
        """How many trials went wrong."""
        return self._failed.total()

    def show(self) -> None:
        """Print it as Markdown, with a line for all."""
        rows = [(*key, f"{count:,}", f"{self._failed[key]:,}") for key, count in sorted(self._trials.items())]
        rows.append(
            (
                *("all" if not at else "" for at in range(len(self._heads))),
                f"{self._trials.total():,}",
                f"{self.failures:,}",
            )
        )
        heads = (*self._heads, "trials", "failures")
        widths = [max(len(row[at]) for row in (heads, *rows)) for at in range(len(heads))]
        for row in (heads, tuple("-" * width for width in widths), *rows):
            print("| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |")
