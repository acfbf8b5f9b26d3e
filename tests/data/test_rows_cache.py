"""Entries are found by key only while each byte is as it was; the least recently used go, those in use stay."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.data import rows_cache as module
from cockpit.data.fingerprints import fingerprint_of
from cockpit.data.rows_cache import HeldEntry, RowsCache, limit_bytes

HOLD = """
import sys
from pathlib import Path
from cockpit.data.rows_cache import RowsCache
held = RowsCache(Path(sys.argv[1]), 10**9).find(sys.argv[2])
print(held is not None, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def cache(tmp_path: Path) -> RowsCache:
    return RowsCache(tmp_path / "rows", 10**9)


def add(cache: RowsCache, key: str, content: bytes = b"x" * 1000, used_at: float | None = None) -> HeldEntry | None:
    draft = cache.draft(key)
    (draft.folder / "rows.arrow").write_bytes(content)
    held = draft.keep({"rows": 3}, {"rows.arrow": fingerprint_of(draft.folder / "rows.arrow")})
    if used_at is not None:
        os.utime(cache.folder / key / "used", (used_at, used_at))
    return held


def test_what_was_kept_is_found_and_what_was_not_is_not(cache: RowsCache) -> None:
    assert cache.find("a") is None
    assert cache.entries() == []
    add(cache, "a")
    found = cache.find("a")
    assert found is not None
    assert found.about == {"rows": 3}
    assert (found.folder / "rows.arrow").read_bytes() == b"x" * 1000
    assert cache.folder.stat().st_mode & 0o777 == 0o700, "rows are their owner's alone"
    dropped = cache.draft("b")
    dropped.drop()
    assert cache.find("b") is None
    assert not dropped.folder.exists()


@pytest.mark.parametrize("damage", ["byte", "short", "missing", "index", "no index", "other key"])
def test_a_damaged_entry_is_removed_and_can_be_made_anew(cache: RowsCache, damage: str) -> None:
    add(cache, "a")
    rows, index = cache.folder / "a/rows.arrow", cache.folder / "a/entry.json"
    match damage:
        case "byte":
            rows.write_bytes(b"x" * 500 + b"y" + b"x" * 499)
        case "short":
            os.truncate(rows, 10)
        case "missing":
            rows.unlink()
        case "index":
            index.write_bytes(index.read_bytes()[:20])
        case "no index":
            index.unlink()
        case "other key":
            index.write_text(index.read_text().replace('"a"', '"b"', 1))
    assert cache.find("a") is None
    assert not (cache.folder / "a").exists()
    add(cache, "a")
    assert cache.find("a") is not None


def test_the_least_recently_used_go_first(cache: RowsCache) -> None:
    add(cache, "a", used_at=1_000)
    add(cache, "b", used_at=3_000)
    add(cache, "c", used_at=2_000)
    one = cache.entries()[0].size_bytes
    small = RowsCache(cache.folder, 3 * one + one // 2)
    add(small, "d")
    assert {entry.folder.name for entry in small.entries()} == {"b", "c", "d"}
    found = small.find("c")
    assert found is not None
    add(small, "e")
    assert {entry.folder.name for entry in small.entries()} == {"c", "d", "e"}
    assert add(RowsCache(cache.folder, 100), "f") is None, "it is larger than all that may be kept"


def test_no_more_than_half_of_the_free_disk_is_taken(cache: RowsCache, monkeypatch: pytest.MonkeyPatch) -> None:
    add(cache, "a")
    one = cache.entries()[0].size_bytes
    full = type("Usage", (), {"free": 2 * one})
    monkeypatch.setattr("shutil.disk_usage", lambda path: full)
    assert cache.room() == (one + 2 * one) // 2


def test_what_another_process_uses_stays(cache: RowsCache) -> None:
    add(cache, "a")
    add(cache, "b")
    gc.collect()
    command = [sys.executable, "-c", HOLD, str(cache.folder), "a"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert {entry.folder.name: entry.in_use for entry in cache.entries()} == {"a": True, "b": False}
        removed, kept = cache.clear()
        assert ([one.folder.name for one in removed], [one.folder.name for one in kept]) == (["b"], ["a"])
        other.communicate("")
    removed, kept = cache.clear()
    assert ([one.folder.name for one in removed], kept) == (["a"], [])


def test_of_two_that_make_the_same_the_first_is_kept(cache: RowsCache) -> None:
    first, second = cache.draft("a"), cache.draft("a")
    for draft, content in ((first, b"one"), (second, b"two")):
        (draft.folder / "rows.arrow").write_bytes(content)
    assert len(cache.entries()) == 2, "both are shown while they are made"
    assert first.keep({}, {"rows.arrow": fingerprint_of(first.folder / "rows.arrow")}) is not None
    assert second.folder.exists(), "what is being made is not taken for a leftover"
    assert second.keep({}, {"rows.arrow": fingerprint_of(second.folder / "rows.arrow")}) is None
    assert (second.folder / "rows.arrow").read_bytes() == b"two", "it serves its own process on"
    second.drop()
    assert [path.name for path in cache.folder.iterdir()] == ["a"]


def test_what_a_killed_process_has_left_is_removed(cache: RowsCache, monkeypatch: pytest.MonkeyPatch) -> None:
    left = cache.folder / ".partial-left"
    left.mkdir(parents=True)
    (left / "lock").touch()
    cache.make_room()
    assert not left.exists()
    left.mkdir()
    cache.make_room()
    assert left.exists(), "one without a lock may be new"
    monkeypatch.setattr(module, "NEW_S", 0.0)
    cache.make_room()
    assert not left.exists()


def test_the_work_can_be_ended_while_bytes_are_compared(cache: RowsCache) -> None:
    add(cache, "a")

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.find("a", stop)


def test_the_limit_is_20_gb_or_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limit_bytes() == 20_000_000_000
    monkeypatch.setenv("COCKPIT_CACHE_GB", "0.5")
    assert limit_bytes() == 500_000_000
    for wrong in ("much", "-1", "nan", "1e30"):
        monkeypatch.setenv("COCKPIT_CACHE_GB", wrong)
        with pytest.raises(ValueError, match=f"COCKPIT_CACHE_GB is {wrong}, which is no size; give a number of GB"):
            limit_bytes()
