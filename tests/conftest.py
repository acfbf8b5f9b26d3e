"""Every test has a home of its own, so that no run or recipe of the person who tests is touched."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling, LoadScopeScheduling

FORKING = (
    *("detached_engine", "export", "forms", "fsdp", "killed", "loading", "moved_base"),
    *("pack_offline", "queue_end_to_end", "ranks"),
    *("train_command", "tune_command", "unsloth_loading", "unsloth_resume", "unsloth_row_losses"),
)
"""Files of tests/engine whose tests fork from one process that has imported the stack: all go to one worker."""

# Each worker has a core. Threads of torch that wait for each other's cores took a fifth of the suite's CPU.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Processes start by the hundred, many of them with the stack. Where Python is told to write no bytecode, as it often is
# in containers, each would compile all that it imports: 8 of the stack's 15 s.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).resolve().parents[1] / ".pytest_cache" / "d" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A third of the time of the app's tests was spent on garbage collection in what they have imported, torch with it.
gc.set_threshold(200_000, 10, 10)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder for what outlives a test, such as the engines of a file; uv keeps its own."""
    with pytest.MonkeyPatch.context() as patch:
        own = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        patch.setenv("UV_CACHE_DIR", os.environ.get("UV_CACHE_DIR") or str(own / "uv"))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """COCKPIT_HOME and the XDG folders, empty."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("COCKPIT_HOME", str(folder / "cockpit"))
    for name in ("CONFIG", "CACHE", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(folder / name.lower()))
    # An export in the test's own process hides the GPUs from itself, and so from the tests that follow.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible or "")
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    return folder


class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """A file's tests go to one worker, and those of FORKING to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "forking" if Path(file).stem.removeprefix("test_") in FORKING else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """How the tests are shared among the workers."""
    return Scheduling(config, log)


def pytest_collection_finish() -> None:
    """What was imported until now stays, and is not searched for garbage again."""
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Nor at the end, where pytest looks five times for what the tests have left: a second each."""
    gc.freeze()
