"""Datasets of the Hub, by the datasets library itself: what is fetched, what is told meanwhile and where it fails."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.events import DataPrepared, PhaseProgressed, PhaseStarted, SourceRead
from tests.engine import tiny
from tests.engine.conftest import kill
from tests.engine.hub_server import COMMIT, TOKEN, HubServer, start_run

CODE = """
import json, sys
from cockpit.engine import hub_rows
from cockpit.engine.ending import RunFailure
from cockpit.recipe.data import Source

source = Source(name_or_path=sys.argv[1])
told = {"first": [], "again": []}
try:
    hub_rows.download(source, lambda done, total: told["first"].append((done, total)))
    told["rows"] = len(hub_rows.load(source))
    hub_rows.download(source, lambda done, total: told["again"].append((done, total)))
except RunFailure as failure:
    told["failure"], told["advice"] = str(failure), failure.advice
print("TOLD", json.dumps(told))
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    """Two splits, on a Hub of their own."""
    folder = tmp_path / "served"
    folder.mkdir()
    tiny.write_rows(folder / "train.jsonl", tiny.chat_rows(40))
    tiny.write_rows(folder / "test.jsonl", tiny.chat_rows(2))
    server = HubServer(folder, "dataset")
    yield server
    server.close()


def fetched(environment: dict[str, str], name: str = "tiny/rows") -> dict[str, object]:
    """What a download told, in a process of its own: the Hub's library reads its settings at import."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, name], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("TOLD "))
    found: dict[str, object] = json.loads(line[5:])
    return found


def test_each_file_is_fetched_once_and_counted(hub: HubServer, tmp_path: Path) -> None:
    total = sum(file.stat().st_size for file in hub.folder.iterdir())
    told = fetched(hub.environment(tmp_path / "hf"))
    assert told["first"][-1] == [total, total]  # type: ignore[index]
    assert (told["rows"], told["again"]) == (40, [])
    files = [path for method, path, _ in hub.asked if method == "GET" and path.endswith(".jsonl")]
    assert sorted(path.rpartition("/")[2] for path in files) == ["test.jsonl", "train.jsonl"]
    assert {token for *_, token in hub.asked} == {f"Bearer {TOKEN}"}


def test_a_disk_that_is_too_small(hub: HubServer, tmp_path: Path) -> None:
    hub.sizes["train.jsonl"] = 10**18
    told = fetched(hub.environment(tmp_path / "hf"))
    assert str(told["failure"]).startswith("tiny/rows needs ")
    assert [path for method, path, _ in hub.asked if method == "GET" and path.endswith(".jsonl")] == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tiny/gated", "The dataset tiny/gated is gated: its owner has to let you in."),
        ("tiny/nothing", "There is no dataset tiny/nothing on the Hub, or it is private."),
    ],
)
def test_what_the_hub_refuses(hub: HubServer, tmp_path: Path, name: str, said: str) -> None:
    assert fetched(hub.environment(tmp_path / "hf"), name)["failure"] == said


def test_a_run_tells_how_far_its_rows_are_fetched(hub: HubServer, tmp_path: Path, model: Path) -> None:
    gate = hub.gates["train.jsonl"] = threading.Event()
    recipe = tiny.recipe_text(model, Path("tiny/rows"), backend="transformers", training__max_steps=1)
    started, run = start_run(hub.environment(tmp_path / "hf"), tmp_path / "home", recipe)
    try:
        run.until_phase("downloading")
        run.until(lambda: any(event.unit == "B" and event.done for event in run.all(PhaseProgressed)))
        gate.set()
        run.until(lambda: bool(run.all(DataPrepared)))
    finally:
        kill(started)
    assert [event.detail for event in run.all(PhaseStarted) if event.phase == "downloading"] == ["tiny/rows"]
    assert [event.train_rows for event in run.all(DataPrepared)] == [36]
    assert run.all(DataPrepared)[0].sources == (SourceRead(name="tiny/rows", rows=40, commit=COMMIT),)
