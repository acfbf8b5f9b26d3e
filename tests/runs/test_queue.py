"""The queue on disk: order, moving, damage, and one who works through it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cockpit.runs.queue import Queue, grid_of


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "queue")


def names(queue: Queue) -> list[str]:
    return [entry.name for entry in queue.entries()]


def test_who_was_added_first_comes_first_until_moved(queue: Queue) -> None:
    assert queue.entries() == []
    for name in "abcd":
        queue.add(name, "recipe")
    assert names(queue) == ["a", "b", "c", "d"]
    queue.move(queue.find("4"), 1)
    assert names(queue) == ["d", "a", "b", "c"]
    queue.move(queue.find("1"), 3)
    assert names(queue) == ["a", "b", "d", "c"]
    queue.move(queue.find("2"), 99)
    assert names(queue) == ["a", "d", "c", "b"]
    queue.remove(queue.find("1"))
    assert names(queue) == ["d", "c", "b"]


def test_entries_are_found_by_number_and_by_id(queue: Queue) -> None:
    entry = queue.add("a", "recipe")
    assert queue.find("1") == queue.find(entry.id) == queue.find(entry.id[:5]) == entry
    with pytest.raises(LookupError, match="Nothing in the queue is called '2'"):
        queue.find("2")


@pytest.mark.parametrize("content", [b"", b"{", b'{"id": "x"}', b"\xff", b"[1]"])
def test_a_damaged_file_is_passed_over(queue: Queue, content: bytes) -> None:
    queue.add("a", "recipe")
    (queue.folder / "damaged.json").write_bytes(content)
    assert names(queue) == ["a"]


def test_one_works_through_it(queue: Queue) -> None:
    lock = queue.take_lock()
    with pytest.raises(BlockingIOError):
        queue.take_lock()
    os.close(lock)
    os.close(queue.take_lock())


def test_a_grid_is_every_combination() -> None:
    assert grid_of([]) == [[]]
    assert grid_of(["lora.r=8,16", "training.learning_rate=1e-4, 2e-4"]) == [
        [("lora.r", "8"), ("training.learning_rate", "1e-4")],
        [("lora.r", "8"), ("training.learning_rate", "2e-4")],
        [("lora.r", "16"), ("training.learning_rate", "1e-4")],
        [("lora.r", "16"), ("training.learning_rate", "2e-4")],
    ]


@pytest.mark.parametrize("grid", ["lora.r", "lora.r=", "=8", "lora.r=,"])
def test_a_grid_without_values_is_refused(grid: str) -> None:
    with pytest.raises(ValueError, match=r"names no values; write it as lora\.r=8,16,32"):
        grid_of([grid])


def test_a_value_that_is_given_twice_counts_once() -> None:
    assert grid_of(["lora.r=8, 8,16"]) == [[("lora.r", "8")], [("lora.r", "16")]]


def test_a_key_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ValueError) as error:
        grid_of(["lora.r=8", "lora.r=16"])
    assert str(error.value) == "--grid names lora.r twice; give all its values in one: A,B,C."
