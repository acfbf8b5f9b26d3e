"""Data that has changed between two attempts of a run: what is told of it"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cockpit.protocol.events import DataPrepared, RunStarted, SourceRead

SHOWN_CHARACTERS = 8
"""Of a hash."""
THEREFORE = "The rows that come next, and the losses, are not those of a run that was not interrupted."


@dataclass(frozen=True)
class ChangingData:
    """What an attempt has trained on, and the files of the next one."""

    before: DataPrepared
    files_before: dict[str, str]
    files_now: dict[str, str]
    """SHA-256 by the file's name, as RunStarted has it."""

    @classmethod
    def of(cls, events: Iterable[object], attempt: int) -> ChangingData | None:
        """From a run's events, of `attempt` and of the newest one; None where `attempt` has told of no data."""
        prepared, started = None, dict[int, RunStarted]()
        for event in events:
            if isinstance(event, DataPrepared) and event.attempt == attempt:
                prepared = event
            elif isinstance(event, RunStarted):
                started[event.attempt] = event
        if prepared is None or attempt not in started:
            return None
        return cls(prepared, started[attempt].data_sha256, started[max(started)].data_sha256)

    def changes(self, now: DataPrepared) -> list[str]:
        """A sentence for each source that is not what it was; one of the whole where that can be told of none, or where
        the recipe names other sources."""
        was = self.before
        if not was.sha256 or was.sha256 == now.sha256:
            return []
        since = f"has changed since attempt {was.attempt}"
        is_same = [one.name for one in was.sources] == [one.name for one in now.sources]
        told = [
            f"{new.name} {since} ({'; '.join(what)}). {THEREFORE}"
            for old, new in (zip(was.sources, now.sources, strict=True) if is_same else ())
            if (what := self._changes_of(old, new))
        ]
        rows = (f"{one.train_rows:,} rows with {one.tokens:,} tokens" for one in (was, now))
        whole = f"What the model is given of the data {since} ({', now '.join(rows)}). {THEREFORE}"
        return list(dict.fromkeys(told)) or [whole]

    def _changes_of(self, old: SourceRead, new: SourceRead) -> list[str]:
        what = [f"{old.rows:,} rows, now {new.rows:,}"] if old.rows != new.rows else []
        if old.commit != new.commit:
            what.append(f"commit {_short(old.commit)}, now {_short(new.commit)}")
        for name in sorted(self.files_before.keys() | self.files_now.keys()):
            then, now = self.files_before.get(name, ""), self.files_now.get(name, "")
            source, _, file = name.partition(": ") if name.startswith(f"{new.name}: ") else (name, "", "")
            if source == new.name and then != now:
                what.append(f"{file} SHA-256 {_short(then)}, now {_short(now)}".lstrip())
        return what


def _short(digest: str) -> str:
    return digest[:SHOWN_CHARACTERS] or "–"
