"""What a suite found: in a line, as a table, as a document for scripts"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cockpit.suites.answer import VERDICTS, Half, Judged, Row
from cockpit.text.numbers import count, duration, percent
from cockpit.text.plain_text import plain_line

HALVES: tuple[Half, ...] = ("learned", "kept")
SIGNS = {True: "✓", False: "✗"}
TITLE = 48
"""Characters of a prompt in the table."""


@dataclass(frozen=True)
class Report:
    """All prompts of a suite, answered. `threshold` is the share that must pass; `duration_s` that of the answers."""

    target: str
    suite: str
    threshold: float
    rows: list[Row]
    duration_s: float

    @property
    def is_enough(self) -> bool:
        """Whether so many have passed as must."""
        return passed(self.rows) >= self.threshold * len(self.rows) - 1e-9

    @property
    def is_compared(self) -> bool:
        return any(row.verdict is not None for row in self.rows)

    def summary(self) -> str:
        """A line."""
        halves = [(half, [row for row in self.rows if row.half == half]) for half in HALVES]
        parts = [f"{half} {passed(rows)} of {len(rows)}" for half, rows in halves if rows]
        said = f"{passed(self.rows)} of {len(self.rows)} passed ({', '.join(parts)})"
        if self.is_compared:
            verdicts = Counter(row.verdict for row in self.rows)
            base = sum(row.base is not None and row.base.passed for row in self.rows)
            said += f"; against the base, which passes {base}: "
            said += ", ".join(f"{verdicts[name]} {name}" for name in VERDICTS)
        if not self.is_enough:
            said += f"; that is below the threshold of {percent(self.threshold)}"
        tokens = sum(one.answer.new_tokens for row in self.rows for one in (row.base, row.tuned) if one)
        return f"{said}. {count(tokens)} tokens in {duration(self.duration_s)}."

    def lines(self) -> Iterator[str]:
        """A table: a line a prompt, and below it why it fails."""
        asked = [name for name in ("base", "tuned") if any(getattr(row, name) for row in self.rows)]
        yield _cells("", *asked)
        for half in HALVES:
            rows = [row for row in self.rows if row.half == half]
            if rows:
                yield half
            for row in rows:
                signs = [SIGNS[getattr(row, name).passed] for name in asked]
                yield _cells(f"  {_short(row.title)}", *signs, row.verdict or "")
                yield from (f"      {plain_line(why)}" for why in row.judged.failures)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        verdicts = Counter(row.verdict for row in self.rows)
        return {
            "target": self.target,
            "suite": self.suite,
            "threshold": self.threshold,
            "is_enough": self.is_enough,
            "prompts": len(self.rows),
            "passed": passed(self.rows),
            "by_half": {
                half: {"prompts": len(rows), "passed": passed(rows)}
                for half in HALVES
                if (rows := [row for row in self.rows if row.half == half])
            },
            "verdicts": {name: verdicts[name] for name in VERDICTS} if self.is_compared else None,
            "duration_s": round(self.duration_s, 3),
            "rows": [
                {
                    "half": row.half,
                    "title": row.title,
                    "passed": row.judged.passed,
                    "verdict": row.verdict,
                    "base": _plain(row.base),
                    "tuned": _plain(row.tuned),
                }
                for row in self.rows
            ],
        }


def passed(rows: Iterable[Row]) -> int:
    """How many of them pass."""
    return sum(row.judged.passed for row in rows)


def _cells(title: str, *cells: str) -> str:
    from rich.cells import set_cell_size

    return "  ".join([set_cell_size(title, TITLE + 2), *(cell.ljust(5) for cell in cells)]).rstrip()


def _short(title: str) -> str:
    line = plain_line(title)
    return line if len(line) <= TITLE else f"{line[: TITLE - 1]}…"


def _plain(judged: Judged | None) -> dict[str, Any] | None:
    if judged is None:
        return None
    answer = judged.answer
    return {
        "passed": judged.passed,
        "reply": answer.text,
        "thinking": answer.thinking,
        "end": answer.end,
        "new_tokens": answer.new_tokens,
        "reason": answer.reason,
        "checks": [
            {"check": result.check, "passed": not result.failure, "failure": result.failure}
            for result in judged.results
        ],
    }
