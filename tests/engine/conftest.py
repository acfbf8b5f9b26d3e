"""A tiny model made here, and engines hosted in this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cockpit.engine.engine import Engine
from cockpit.launch.engines import StartedEngine
from cockpit.paths import runs_folder
from cockpit.protocol.commands import Train
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink, new_command_id
from cockpit.runs.origin import mark_as_made_here
from tests.engine import tiny
from tests.engine.follower import Follower
from tests.engine.warm_stack import WarmStack

# Before anything imports torch, as the engine's own process has it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For what the whole session shares."""
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="session")
def model(folder: Path) -> Path:
    """The tiny model's folder."""
    return tiny.make_model(folder / "model")


@pytest.fixture(scope="session")
def rows(folder: Path) -> Path:
    """40 rows of messages."""
    return tiny.write_rows(folder / "rows.jsonl", tiny.chat_rows(40))


@pytest.fixture(scope="session")
def plain_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmStack]:
    """Forks with the stack of `backend: transformers`."""
    with closing(WarmStack("transformers", tmp_path_factory.mktemp("plain-stack"))) as stack:
        yield stack


@pytest.fixture(scope="session")
def unsloth_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmStack]:
    """Forks with the stack of `backend: unsloth`."""
    with closing(WarmStack("unsloth", tmp_path_factory.mktemp("unsloth-stack"))) as stack:
        yield stack


class HostedRun(Follower):
    """A run whose engine is hosted on a thread of this process."""

    def __init__(
        self,
        run: RunDir,
        recipe: str,
        order: dict[str, Any] | None = None,
        backend: str = "transformers",
        *,
        made_here: bool = False,
        **options: Any,
    ) -> None:
        """`order` holds more words of Train, `options` are the Engine's. `made_here`: code that the recipe names may be
        run."""
        self.run = run
        self.run.recipe.write_text(recipe, encoding="utf-8")
        if made_here:
            mark_as_made_here(run.path)
        self.engine = Engine(self.run, backend, **options)
        self._thread = threading.Thread(target=self.engine.run, name="hosting")
        self._thread.start()
        super().__init__(RunLink(self.run))
        self.train = Train(id=new_command_id(), run_id=self.run.id, command=["test"], **(order or {}))
        self.run.send(self.train)

    def is_over(self) -> bool:
        """The thread tells: a run that is taken up again has the exit of its last engine in its log."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """End the engine, wherever it is."""
        self.engine.terminate()
        self._thread.join(60)
        assert not self._thread.is_alive()
        self.link.close()


@pytest.fixture
def hosted(model: Path, rows: Path) -> Iterator[Callable[..., HostedRun]]:
    """Starts runs of the tiny recipe with changes; their engines end with the test."""
    started: list[HostedRun] = []

    def start(
        *,
        data: Path = rows,
        text: str = "",
        idle_s: float = 600,
        resumed: RunDir | None = None,
        from_step: int | None = None,
        made_here: bool = False,
        folder: str = "",
        **changes: Any,
    ) -> HostedRun:
        recipe = text or tiny.recipe_text(model, data, backend="transformers", **changes)
        run = resumed or RunDir.create(runs_folder() / f"hosted-{len(started)}")
        order = {"resume": resumed is not None, "from_step": from_step, "folder": folder}
        started.append(HostedRun(run, recipe, order, made_here=made_here, idle_s=idle_s))
        return started[-1]

    yield start
    for run in started:
        run.close()


@contextmanager
def cockpit_home(path: Path) -> Iterator[None]:
    """COCKPIT_HOME for engines that outlive a test, which see no GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COCKPIT_HOME", str(path))
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        yield


def kill(engine: StartedEngine) -> None:
    """End an engine process that a test has started, if it still runs."""
    if engine.process.poll() is None:
        engine.process.kill()
    engine.process.wait(60)


@pytest.fixture(scope="module")
def odd_rows(folder: Path) -> Path:
    """18 rows that are trained on and 5 held out: an epoch of two ranks ends with rows that fill, and so does an
    evaluation."""
    return tiny.write_rows(folder / "odd.jsonl", tiny.chat_rows(23))
