"""cockpit cache: what is kept, in words and as JSON, and its removal."""

from __future__ import annotations

import gc
import json
import re

import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.data.fingerprints import fingerprint_of
from cockpit.data.rows_cache import HeldEntry, RowsCache
from cockpit.machine.compile_cache import rows_cache_folder

ABOUT = {"data": ["rows\x1b[31m.jsonl"], "model": "owner/name", "template": "model", "length": 2048,
         "rows": 12_345, "tokens": 3_000_000, "made": 0.0}  # fmt: skip


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cockpit, ["cache", *arguments])


def entry() -> HeldEntry | None:
    draft = RowsCache(rows_cache_folder(), 10**9).draft("a" * 32)
    (draft.folder / "rows.arrow").write_bytes(b"x" * 2_000_000)
    return draft.keep(ABOUT, {"rows.arrow": fingerprint_of(draft.folder / "rows.arrow")})


def test_an_empty_cache_says_where_it_would_be() -> None:
    result = run()
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
    assert str(rows_cache_folder()) in result.stdout
    assert json.loads(run("--json").stdout)["entries"] == []
    assert (run("--clear").exit_code, run("--clear").stdout) == (0, "Nothing is kept.\n")


def test_entries_are_listed_and_removed_but_for_those_in_use() -> None:
    held = entry()
    shown = run().stdout
    assert re.search(r"1\.9 MiB +12,345 +3,000,000 +now +rows\.jsonl +owner/name +model +2,048", shown)
    assert f"1.9 MiB of at most 19 GiB in {rows_cache_folder()}" in shown
    refused = run("--clear")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "1 entry is in use by a run" in refused.stderr
    del held
    gc.collect()
    (found,) = json.loads(run("--json").stdout)["entries"]
    assert (found["rows"], found["data"], found["in_use"]) == (12_345, ["rows\x1b[31m.jsonl"], False)
    cleared = run("--clear")
    assert (cleared.exit_code, cleared.stdout) == (0, "1 entry was removed, 1.9 MiB in all.\n")
    assert json.loads(run("--json").stdout)["entries"] == []


def test_a_limit_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_CACHE_GB", "much")
    result = run()
    assert result.exit_code == 2
    assert result.stderr == "COCKPIT_CACHE_GB is much, which is no size; give a number of GB, 0 to keep nothing.\n"
