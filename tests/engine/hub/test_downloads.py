"""Downloads with the stack imported: the files of a dataset, and what a run fetches of its model and its rows."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cockpit.cli import cockpit
from cockpit.data.files import rows_of
from cockpit.launch.engines import EngineKey, start_engine
from cockpit.protocol.commands import Stop
from cockpit.protocol.events import DataPrepared, PhaseProgressed, PhaseStarted, RunEnded, SourceRead
from cockpit.recipe.data import Source
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.link import new_command_id
from tests.engine import tiny
from tests.engine.conftest import kill
from tests.engine.follower import Follower
from tests.engine.hub.hub_server import COMMIT, TOKEN, HubServer
from tests.engine.warm_stack import WarmStack

HUB = ("HF_ENDPOINT", "HF_HOME", "HF_TOKEN", "HF_HUB_ETAG_TIMEOUT")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[HubServer]:
    """The tiny model, and rows in two splits."""
    rows = tmp_path_factory.mktemp("rows")
    tiny.write_rows(rows / "train.jsonl", tiny.chat_rows(40))
    tiny.write_rows(rows / "test.jsonl", tiny.chat_rows(2))
    with closing(HubServer(model, rows)) as server:
        yield server


@pytest.fixture(scope="module")
def stack(served: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmStack]:
    """Which knows that Hub alone: its library reads where the Hub is when it is imported."""
    folder = tmp_path_factory.mktemp("hub-stack")
    with closing(WarmStack("transformers", folder, served.environment(folder / "hf"))) as stack:
        yield stack


@pytest.fixture
def hub(served: HubServer, stack: WarmStack, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """The Hub, of which nothing has been fetched yet."""
    served.forget()
    shutil.rmtree(stack.folder / "hf", ignore_errors=True)
    environment = served.environment(stack.folder / "hf")
    for name in HUB:
        monkeypatch.setenv(name, environment[name])
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return served


def fetched(name: str) -> dict[str, Any]:
    """What is told of a dataset that is fetched twice, how many rows it has, or why there is none."""
    from cockpit.engine.errors import RunFailure
    from cockpit.engine.hub import datasets as hub_rows

    source = Source(name_or_path=name)
    first: list[tuple[int, int | None]] = []
    again: list[tuple[int, int | None]] = []
    try:
        hub_rows.download(source, lambda done, total: first.append((done, total)))
        rows = len(hub_rows.load(source))
        hub_rows.download(source, lambda done, total: again.append((done, total)))
    except RunFailure as failure:
        return {"failure": str(failure)}
    return {"first": first, "rows": rows, "again": again}


@contextmanager
def running(stack: WarmStack, recipe: str) -> Iterator[Follower]:
    """A run of the recipe, whose engine ends with this."""
    with stack.starts_engines():
        started = start_engine(EngineKey("transformers", "none"), "from the hub")
    try:
        started.train(recipe, "from the hub", ["test"])
        yield Follower(started.link, started.process)
    finally:
        kill(started)


def until_some_has_come(run: Follower) -> None:
    """Follow until a part of a file has been fetched."""
    run.until_phase("downloading")
    run.until(lambda: any(event.unit == "B" and event.done for event in run.all(PhaseProgressed)))


def test_each_file_is_fetched_once_and_counted(hub: HubServer, stack: WarmStack) -> None:
    assert hub.rows is not None
    total = sum(file.stat().st_size for file in hub.rows.iterdir())
    told = stack.call(fetched, "tiny/rows")
    assert told["first"][-1] == (total, total)
    assert (told["rows"], told["again"]) == (40, [])
    files = [path for method, path, _ in hub.asked if method == "GET" and path.endswith(".jsonl")]
    assert sorted(path.rpartition("/")[2] for path in files) == ["test.jsonl", "train.jsonl"]
    assert {token for *_, token in hub.asked} == {f"Bearer {TOKEN}"}


def test_a_disk_that_is_too_small(hub: HubServer, stack: WarmStack) -> None:
    hub.sizes["train.jsonl"] = 10**18
    told = stack.call(fetched, "tiny/rows")
    assert str(told["failure"]).startswith("tiny/rows needs ")
    assert [path for method, path, _ in hub.asked if method == "GET" and path.endswith(".jsonl")] == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tiny/gated", "The dataset tiny/gated is gated: its owner has to let you in."),
        ("tiny/nothing", "There is no dataset tiny/nothing on the Hub, or it is private."),
    ],
)
@pytest.mark.usefixtures("hub")
def test_what_the_hub_refuses(stack: WarmStack, name: str, said: str) -> None:
    assert stack.call(fetched, name) == {"failure": said}


def test_a_run_tells_how_far_its_rows_are_fetched(hub: HubServer, stack: WarmStack, model: Path) -> None:
    gate = hub.gates["train.jsonl"] = threading.Event()
    recipe = tiny.recipe_text(model, Path("tiny/rows"), backend="transformers", training__max_steps=1)
    with running(stack, recipe) as run:
        until_some_has_come(run)
        gate.set()
        run.until(lambda: bool(run.all(DataPrepared)))
    assert [event.detail for event in run.all(PhaseStarted) if event.phase == "downloading"] == ["tiny/rows"]
    assert [event.train_rows for event in run.all(DataPrepared)] == [36]
    assert run.all(DataPrepared)[0].sources == (SourceRead(name="tiny/rows", rows=40, commit=COMMIT),)


def test_a_run_downloads_stops_goes_on_and_never_tells_its_token(
    hub: HubServer, stack: WarmStack, rows: Path, home: Path
) -> None:
    gate = hub.gates["model.safetensors"] = threading.Event()
    recipe = tiny.recipe_text(Path("tiny/model"), rows, backend="transformers", training__max_steps=1)
    with running(stack, recipe) as run:
        until_some_has_come(run)
        run.send(Stop(id=new_command_id()))
        run.until_ended()
        assert [event.outcome for event in run.all(RunEnded)] == ["stopped"]
    gate.set()
    with running(stack, recipe) as run:
        run.until_phase("ready")
    adapter = json.loads((run.link.run.adapter / "adapter_config.json").read_text())
    assert adapter["base_model_name_or_path"] == "tiny/model"
    card = (run.link.run.adapter / "README.md").read_text()
    assert "base_model: tiny/model\n" in card
    assert "- base_model:adapter:tiny/model\n" in card
    assert "snapshots" not in card, "no folder of this disk"
    written = [file for file in home.rglob("*") if file.is_file()]
    assert len(written) > 10
    assert [file for file in written if TOKEN.encode() in file.read_bytes()] == []


def packed(recipe: Path, out: Path) -> int:
    """The status of cockpit pack."""
    try:
        cockpit(["pack", str(recipe), "--out", str(out), "--no-wheels"])
    except SystemExit as ended:
        return int(ended.code or 0)
    raise AssertionError("a command ends by an exit")


def test_a_pack_holds_model_and_rows_of_the_hub_as_files(hub: HubServer, stack: WarmStack, tmp_path: Path) -> None:
    recipe, out = tmp_path / "mine.yaml", tmp_path / "out"
    recipe.write_text(tiny.recipe_text(Path("tiny/model"), Path("tiny/rows"), backend="transformers"))
    document = RecipeDocument.load(recipe)
    document.set("data.eval_rows", 0)
    document.set("data.validation", {"split": "test"})
    document.save(recipe)
    assert stack.call(packed, recipe, out) == 0
    made = RecipeDocument.load(out / "recipe.yaml").recipe()
    assert (out / made.model.name_or_path / "model.safetensors").read_bytes() == (
        hub.model / "model.safetensors"
    ).read_bytes()
    sources = dict(made.data.every_source())
    counts = {field: sum(1 for _ in rows_of(out / source.name_or_path)) for field, source in sources.items()}
    assert counts == {"data.sources.0": 40, "data.validation": 2}
