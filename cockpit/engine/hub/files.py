"""Files of one repository on the Hub, brought into the Hub's cache: several at once, counted, where there is room

snapshot_download of huggingface_hub takes the same files and could count their bytes, but stops would come late: it
calls its progress class only when bytes arrive, and waits for all its threads before it returns, so that a download
that stalls is stopped only after the network's timeout. Here the caller's own thread waits, and lets the threads go.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cockpit.engine.errors import RunFailure
from cockpit.text import numbers
from cockpit.text.plain_text import plain_line, plain_text

AT_ONCE = 4
"""Files that are fetched at the same time."""
LOOK_EVERY_S = 0.2
SPARE_BYTES = 2**30
"""What is left free on the disk at least."""

Progress = Callable[[int, int], None]
"""Told the bytes that are here and those of all files, a few times a second; may raise to end the download."""


@dataclass(frozen=True)
class Listing:
    """What is wanted of a repository: the commit, and the size in bytes of each file."""

    name: str
    kind: Literal["model", "dataset"]
    commit: str
    files: dict[str, int]
    first: dict[str, str | None] = field(default_factory=dict)
    """Files that come before the others, and the revision that they are asked for by in place of the commit."""


def fetch(listing: Listing, progress: Progress) -> None:
    """Bring what the cache lacks of the listing into it, AT_ONCE files at a time; those of `first` before the others.

    Files that were begun go on where they ended; one that is there in another size is damaged, and comes anew. Raises
    RunFailure where the disk is too small, OSError or httpx's TransportError where the Hub does not give them, and
    whatever `progress` raises.
    """
    from huggingface_hub import hf_hub_download

    cached = {name: _cached_bytes(listing, name) for name in listing.files}
    missing = {name: size for name, size in listing.files.items() if cached[name] is None or cached[name] != size}
    total = sum(listing.files.values())
    counter = _Counter(total - sum(missing.values()))
    _check_disk(listing.name, sum(missing.values()))

    def fetch_one(name: str) -> None:
        revision = listing.first.get(name, listing.commit)
        hf_hub_download(
            listing.name,
            name,
            repo_type=listing.kind,
            revision=revision,
            tqdm_class=counter.bar(),
            force_download=name in missing and cached.get(name) is not None,
        )

    for name in listing.first:
        fetch_one(name)
        missing.pop(name, None)
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="download")
    try:
        waiting: set[Future[None]] = {pool.submit(fetch_one, name) for name in missing}
        while waiting:
            done, waiting = wait(waiting, LOOK_EVERY_S, return_when="FIRST_EXCEPTION")
            progress(counter.bytes, total)
            for future in done:
                future.result()
        progress(total, total)
    finally:
        counter.stopped = True
        pool.shutdown(wait=False, cancel_futures=True)


class _Counter:
    """Bytes that have come, over all files."""

    def __init__(self, bytes_here: int) -> None:
        self.bytes = bytes_here
        self.stopped = False
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        """Count bytes that a thread has fetched. Raises RuntimeError, which ends the thread, once it is stopped."""
        if self.stopped:
            raise RuntimeError("The download was ended.")
        with self._lock:
            self.bytes += size

    def bar(self) -> Any:
        """A class that hf_hub_download takes for a progress bar; draws nothing."""
        counter = self

        class Bar:
            def __init__(self, *args: Any, **options: Any) -> None:
                self.total, self.n = options.get("total"), 0
                self.update(options.get("initial") or 0)

            def update(self, size: float | None = 1) -> None:
                counter.add(int(size or 0))

            def __enter__(self) -> Bar:
                return self

            def __exit__(self, *_: object) -> None: ...

            def __getattr__(self, name: str) -> Callable[..., None]:
                return lambda *_, **__: None

        return Bar


def _cached_bytes(listing: Listing, name: str) -> int | None:
    """Bytes of the file in the cache; None where it is not there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(listing.name, name, revision=listing.commit, repo_type=listing.kind)
    try:
        return Path(found).stat().st_size if isinstance(found, str) else None
    except OSError:
        return None


def _check_disk(name: str, wanted: int) -> None:
    from huggingface_hub import constants

    place = Path(constants.HF_HUB_CACHE).expanduser()
    there = next(parent for parent in (place, *place.parents) if parent.is_dir())
    free = shutil.disk_usage(there).free
    if wanted and wanted + SPARE_BYTES > free:
        raise RunFailure(
            f"{plain_line(name)[:120]} needs {numbers.size(wanted)} more on the disk of "
            f"{plain_text(str(place))}, and {numbers.size(free)} are free.",
            "Make room there, or set HF_HOME to a folder on a larger disk.",
        )
