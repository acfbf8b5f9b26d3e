"""Rows are tokenized by other processes as by this one, kept, found again, and made anew once anything has changed."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from cockpit.data.row_lengths import KnownRows
from cockpit.data.rows_cache import RowsCache
from cockpit.engine.data import encoding_pool, spilling_file, tokenizing
from cockpit.engine.data.prepare import PreparedData, prepare_data
from cockpit.engine.errors import RunFailure, Stopped
from cockpit.machine.compile_cache import rows_cache_folder
from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny

Say = Callable[[str], None]


def prepared(
    rows: Path,
    say: Say = lambda sentence: None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    tokenizer: Any = None,
    **changes: Any,
) -> PreparedData:
    text = tiny.recipe_text(Path("model"), rows, backend="transformers", **changes)
    recipe = RecipeDocument.parse(text, "test").recipe()
    return prepare_data(recipe, tokenizer or tiny.make_tokenizer(), say, progress)


def mixed_rows(path: Path, count: int = 700) -> Path:
    """Some cannot be read, every thirteenth has no answer within its length, every seventh is cut."""
    rows: list[dict[str, Any]] = []
    for number in range(count):
        answer = "arr matey " * (60 if number % 7 == 0 else 1 + number % 4)
        question = "what is " * (80 if number % 13 == 0 else 1) + f"red {number}"
        rows.append({"messages": tiny.pair(question, answer)} if number % 97 != 5 else {"messages": []})
    return tiny.write_rows(path, rows)


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_CACHE_GB", "0")


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two, from the first row on."""
    monkeypatch.setattr(tokenizing, "FEW_ROWS", 10)
    monkeypatch.setattr(tokenizing, "usable_cores", lambda: 2)
    is_ready = encoding_pool.EncodingPool.is_ready

    def waited(pool: encoding_pool.EncodingPool) -> bool:
        while not is_ready(pool) and not pool.problem:
            time.sleep(0.01)
        return not pool.problem

    monkeypatch.setattr(encoding_pool.EncodingPool, "is_ready", waited)


def entries() -> list[Path]:
    folder = rows_cache_folder()
    return sorted(folder.iterdir()) if folder.is_dir() else []


def content(data: PreparedData) -> tuple[Any, Any, Any]:
    held_out = data.held_out.to_list() if data.held_out is not None else None
    return data.train.to_list(), held_out, data.counts


def test_other_processes_make_the_same_rows_and_name_the_same_bad_ones(
    tmp_path: Path, no_cache: None, request: pytest.FixtureRequest
) -> None:
    rows = mixed_rows(tmp_path / "rows.jsonl")
    said: list[list[str]] = [[], []]
    here = prepared(rows, said[0].append)
    request.getfixturevalue("processes")
    there = prepared(rows, said[1].append)
    assert content(there) == content(here)
    assert said[1] == said[0]
    assert "rows.jsonl:6: messages has no turns" in said[0][0]
    assert "rows.jsonl:14: no token of an answer" in said[0][4], "both kinds, a batch after the other"
    assert here.counts.skipped_rows == len([n for n in range(700) if n % 97 == 5 or not n % 13])
    assert here.counts.truncated_rows == len([n for n in range(700) if not n % 7 and n % 97 != 5 and n % 13])


def test_the_lengths_of_kept_rows_are_known_without_reading_them(tmp_path: Path) -> None:
    rows = mixed_rows(tmp_path / "rows.jsonl")
    text = tiny.recipe_text(Path("model"), rows, backend="transformers")
    recipe = RecipeDocument.parse(text, "test").recipe()
    cache = RowsCache(rows_cache_folder(), 0)
    assert KnownRows.read(cache).of(recipe) is None
    data = prepared(rows)
    sizes = [len(row["input_ids"]) for part in (data.train, data.held_out or []) for row in part]
    known = KnownRows.read(cache).of(recipe)
    assert known is not None
    assert (known.rows, known.longest, known.shortest) == (len(sizes), max(sizes), min(sizes))
    assert known.tokens == sum(sizes)


def test_a_stop_ends_the_processes_at_once(
    tmp_path: Path, no_cache: None, processes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizing, "PROGRESS_EVERY_S", 0.0)
    rows = mixed_rows(tmp_path / "rows.jsonl", 3_000)
    others = psutil.Process().children(recursive=True)
    seen: list[psutil.Process] = []

    def progress(done: int, total: int | None) -> None:
        seen[:] = [one for one in psutil.Process().children(recursive=True) if one not in others]
        if len(seen) >= 3:
            raise Stopped

    with pytest.raises(Stopped):
        prepared(rows, progress=progress)
    psutil.wait_procs(seen, timeout=60)
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in seen)
    assert entries() == []


def test_a_process_that_is_killed_is_told(
    tmp_path: Path, no_cache: None, processes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = encoding_pool.EncodingPool.submit

    def killed(pool: encoding_pool.EncodingPool, batch: Any) -> Any:
        for child in psutil.Process(pool._process.pid).children():
            child.kill()
        return submit(pool, batch)

    is_ready = encoding_pool.EncodingPool.is_ready

    def waited_for(pool: encoding_pool.EncodingPool) -> bool:
        while not is_ready(pool) and not pool.problem:
            time.sleep(0.01)
        return not pool.problem

    monkeypatch.setattr(encoding_pool.EncodingPool, "is_ready", waited_for)
    monkeypatch.setattr(encoding_pool.EncodingPool, "submit", killed)
    with pytest.raises(RunFailure, match="A process that tokenizes rows has ended unexpectedly"):
        prepared(mixed_rows(tmp_path / "rows.jsonl"))


def test_what_cannot_be_handed_to_other_processes_is_done_by_this_one(
    tmp_path: Path, no_cache: None, request: pytest.FixtureRequest
) -> None:
    class Local(type(tiny.make_tokenizer())):  # type: ignore[misc]
        """Of no module that another process could import."""

    rows = mixed_rows(tmp_path / "rows.jsonl")
    tokenizer = tiny.make_tokenizer()
    plain = prepared(rows, tokenizer=tokenizer)
    request.getfixturevalue("processes")
    tokenizer.__class__ = Local
    said: list[str] = []
    assert content(prepared(rows, said.append, tokenizer=tokenizer)) == content(plain)
    assert [one for one in said if "tokenized by one process" in one][1:] == []
    assert any("cannot be given the tokenizer" in one for one in said)


def test_a_second_start_takes_the_rows_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = mixed_rows(tmp_path / "rows.jsonl", 60)
    said: list[list[str]] = [[], []]
    first = prepared(rows, said[0].append)
    assert len(entries()) == 1

    def none(*args: Any) -> Any:
        raise AssertionError("nothing is tokenized")

    monkeypatch.setattr(tokenizing, "BatchEncoder", none)
    progress: list[tuple[int, int | None]] = []
    second = prepared(rows, said[1].append, lambda done, total: progress.append((done, total)))
    assert content(second) == content(first)
    assert progress[-1] == (len(first.train) + 4, len(first.train) + 4)
    assert said[1][:-1] == said[0], "what was said of the rows is said again"
    assert "are taken from the cache" in said[1][-1]
    # What is done with the rows afterwards is no matter of theirs; nor is the place of the file.
    other = prepared(rows, data__eval_rows=0)
    assert other.held_out is None
    (tmp_path / "elsewhere").mkdir()
    moved = prepared(rows.rename(tmp_path / "elsewhere/rows.jsonl"))
    assert moved.counts.sources[0].name == str(tmp_path / "elsewhere/rows.jsonl")
    assert moved.counts.sha256 == first.counts.sha256


@pytest.mark.parametrize("change", ["a byte", "length", "answers", "template", "tokenizer", "rows", "code"])
def test_rows_are_made_anew_once_anything_has_changed(
    tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tiny.write_rows(tmp_path / "rows.jsonl", tiny.chat_rows(40))
    before = prepared(rows)
    tokenizer, changes = tiny.make_tokenizer(), dict[str, Any]()
    match change:
        case "a byte":
            status = rows.stat()
            rows.write_bytes(rows.read_bytes().replace(b"red 0", b"red 7", 1))
            os.utime(rows, ns=(status.st_atime_ns, status.st_mtime_ns))
        case "length":
            changes["training__max_length"] = 24
        case "answers":
            changes["data__train_on_responses_only"] = False
        case "template":
            tokenizer.chat_template = tiny.CHATML.replace("<|im_end|>\n", "<|im_end|>\n\n")
        case "tokenizer":
            tokenizer.add_tokens(["matey"])
        case "rows":
            changes["data__sources"] = [{"name_or_path": str(rows), "max_rows": 30}]
        case "code":
            monkeypatch.setattr("cockpit.engine.data.row_key.code_fingerprint", lambda: "another")
    said: list[str] = []
    after = prepared(rows, said.append, tokenizer=tokenizer, **changes)
    assert len(entries()) == 2
    assert not any("cache" in one for one in said)
    assert (after.counts.sha256 == before.counts.sha256) == (change == "code")


def test_data_that_changes_while_it_is_read_is_not_kept(tmp_path: Path) -> None:
    rows = mixed_rows(tmp_path / "rows.jsonl", 60)

    def said(sentence: str) -> None:
        os.utime(rows, (1, 1))

    prepared(rows, said)
    assert entries() == []


def test_a_damaged_entry_is_made_anew(tmp_path: Path) -> None:
    rows = tiny.write_rows(tmp_path / "rows.jsonl", tiny.chat_rows(40))
    first = prepared(rows)
    expected = content(first)
    (entry,) = entries()
    file = entry / "rows.arrow"
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.unlink()
    file.write_bytes(damaged)
    said: list[str] = []
    del first
    assert content(prepared(rows, said.append)) == expected
    assert said == []
    prepared(rows, said.append)
    assert "are taken from the cache" in said[0]


def test_where_nothing_is_kept_the_rows_are_there_all_the_same(tmp_path: Path, no_cache: None) -> None:
    rows = tiny.write_rows(tmp_path / "rows.jsonl", tiny.chat_rows(40))
    data = prepared(rows)
    assert len(data.train.to_list()) == 36
    del data
    assert entries() == []


def test_a_full_disk_leaves_the_rows_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = mixed_rows(tmp_path / "rows.jsonl")
    whole = prepared(rows, data__eval_rows=0)
    before = content(whole)

    class Full(io.FileIO):
        """A disk with room for 20,000 bytes."""

        def write(self, data: Any) -> int:
            if self.tell() >= 20_000:
                raise OSError(28, "No space left on device")
            return super().write(memoryview(data)[: 20_000 - self.tell()])

    monkeypatch.setattr(spilling_file, "open_file", lambda path: Full(path, "w+"))
    said: list[str] = []
    data = prepared(rows, said.append, training__seed=1, training__max_length=127, data__eval_rows=0)
    assert "The tokenized rows stay in memory, as the cache cannot be written (No space left on device)." in said
    monkeypatch.undo()
    again = prepared(rows, training__max_length=127, data__eval_rows=0)
    assert content(data) == content(again)
    assert before != content(again)


def test_packed_sequences_are_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tiny.write_rows(tmp_path / "rows.jsonl", tiny.chat_rows(40))
    first = prepared(rows, training__packing=True)
    assert len(entries()) == 2
    monkeypatch.setattr("cockpit.engine.data.kept_rows.write_packed", None)
    again = prepared(rows, training__packing=True)
    assert content(again) == content(first)
    with pytest.raises(TypeError):
        prepared(rows, training__packing=True, training__seed=5)
    assert len(entries()) == 2


def test_several_sources_are_kept_as_one_and_drawn_anew_with_another_seed(tmp_path: Path) -> None:
    one = tiny.write_rows(tmp_path / "one.jsonl", tiny.chat_rows(40))
    two = tiny.write_rows(tmp_path / "two.jsonl", [{"messages": tiny.pair(f"q {n}", "dog")} for n in range(40)])
    sources = [{"name_or_path": str(one)}, {"name_or_path": str(two), "ratio": 0.5}]
    said: list[str] = []
    first = prepared(one, data__sources=sources)
    again = prepared(one, said.append, data__sources=sources)
    assert content(again) == content(first)
    assert said[0] == "Of two.jsonl, 20 of 40 rows are drawn."
    other = prepared(one, data__sources=sources, data__seed=7)
    assert other.counts.sha256 != first.counts.sha256


def test_the_index_tells_what_is_kept(tmp_path: Path) -> None:
    prepared(tiny.write_rows(tmp_path / "rows.jsonl", tiny.chat_rows(40)))
    about = json.loads((entries()[0] / "entry.json").read_text())["about"]
    assert (about["data"], about["rows"], about["length"], about["template"]) == (["rows.jsonl"], 40, 128, "model")


def test_progress_moves_while_rows_are_prepared(
    tmp_path: Path, no_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizing, "PROGRESS_EVERY_S", 0.0)
    told: list[tuple[int, int | None]] = []
    prepared(mixed_rows(tmp_path / "rows.jsonl"), progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len({done for done, _ in told}) >= 3
