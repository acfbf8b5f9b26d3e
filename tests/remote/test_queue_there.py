"""cockpit queue add --host: recipes go into the queue of another machine, and are worked through there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.queue import Queue
from tests.remote.far import Far

PATIENCE_S = 120.0


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Far:
    return Far.at(tmp_path / "far", monkeypatch)


def add(far: Far, *arguments: str) -> tuple[int, str]:
    host = f"gpu1{far.place}/bin/cockpit"
    done = CliRunner().invoke(cockpit, ["queue", "add", "demo", "--host", host, *arguments])
    return done.exit_code, done.output


def test_a_grid_waits_at_its_host_and_is_worked_through_there(far: Far) -> None:
    # The host has no such folder: its runner passes both over, and ends.
    status, said = add(far, "--grid", "lora.r=8,16", "--set", "model.name_or_path=/no/such/model")
    assert status == 0, said
    queue = Queue(far.home() / "queue")
    deadline = time.monotonic() + PATIENCE_S
    while not all(entry.why for entry in queue.entries()) or queue.is_worked_on():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    entries = queue.entries()
    assert [entry.name for entry in entries] == ["demo-r-8", "demo-r-16"]
    assert [RecipeDocument.parse(entry.recipe, "there").recipe().lora.r for entry in entries] == [8, 16]
    assert len({entry.group for entry in entries}) == 1 and entries[0].group
    assert "demo-r-8 is passed over" in (queue.folder / "runner.log").read_text()
    assert Queue().entries() == [], "nothing waits here"


def test_a_host_that_is_not_reached_is_named(far: Far) -> None:
    far.cut()
    assert add(far) == (1, "ssh does not reach gpu1: ssh: connect to host gpu1 port 22: Connection refused.\n")
    refused = CliRunner().invoke(cockpit, ["queue", "add", "demo", "--host", "-oProxyCommand=x"])
    assert refused.exit_code == 2 and "is no host" in refused.output
