"""What a question goes to: the engine of a run, or one that is started on what a run or somebody has saved"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.cli.ending import end
from cockpit.cli.moved_base import settle_base
from cockpit.cli.trust import settle_trust

if TYPE_CHECKING:
    from cockpit.launch.engines import StartedEngine
    from cockpit.runs.folder import RunDir
    from cockpit.runs.link import RunLink
    from cockpit.runs.state import RunState

NO_BASE = "This is a whole model, without an adapter that could be switched off: there is no base to ask."
NEEDS_NO_BASE = "This is a whole model, which needs no base: leave --model out."


@dataclass(frozen=True)
class Answering:
    """An engine that answers, or soon will. `started`: None where it is the run's own, which trained."""

    link: RunLink
    started: StartedEngine | None

    def is_ready(self, state: RunState) -> bool:
        """Whether the model is there; the log of an earlier engine does not count for one that we have started."""
        if self.started is None:
            return state.can_chat
        return state.can_chat and state.engine is not None and state.engine.pid == self.started.process.pid

    def is_gone(self) -> bool:
        """Whether nothing more can come, beside what stands in the log."""
        if self.started is not None:
            return self.started.process.poll() is not None
        return self.link.liveness() in ("lost", "exited")

    def why_gone(self, state: RunState) -> str:
        """A sentence."""
        why = state.exited.reason if state.exited is not None else ""
        return why or f"The engine has gone without a reply; its log: {self.link.run.engine_log}"


def find_target(name: str) -> RunDir | Path:
    """The run that was named, or the folder of an adapter or a model. Ends the command where there is no such run."""
    from cockpit.paths import kind_of
    from cockpit.runs.folder import RunDir, find_run

    folder = _folder(name)
    if folder is not None:
        return RunDir(folder) if kind_of(folder / "recipe.yaml") == "file" else folder
    try:
        return find_run(name)
    except LookupError as error:
        end(str(error), 2)


@contextmanager
def answering(found: RunDir | Path, *, base: bool, moved: str | None, trust: bool) -> Iterator[Answering]:
    """An engine for what was found; one that was started here ends with the block. `base`: the base is asked too;
    `moved`: where it is now. Ends the command where there can be none."""
    started: StartedEngine | None
    if isinstance(found, Path):
        link, started = _open_folder(found, base, moved)
    else:
        if base and found.result == found.model:
            end(NO_BASE, 2)
        if moved is not None and found.result == found.model:
            end(NEEDS_NO_BASE, 2)
        settle_trust(found, trust)
        link, started = _reach(found, settle_base(moved, found))
    try:
        yield Answering(link, started)
    finally:
        if started is not None:
            started.process.terminate()
            if isinstance(found, Path):
                started.process.wait()
                started.link.run.remove()


def _folder(name: str) -> Path | None:
    """The folder that was named in place of a run; None where it is no path."""
    from cockpit.paths import expanded, kind_of, runs_folder

    is_run = kind_of(runs_folder() / name) == "folder" or kind_of(Path(name)) != "folder"
    if not name.startswith((".", "~")) and "/" not in name and is_run:
        return None
    try:
        return expanded(name).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links is a RuntimeError
        end(f"This is no path: {error}.", 2)


def _open_folder(folder: Path, base: bool, moved: str | None) -> tuple[RunLink, StartedEngine]:
    """An engine that answers with what is saved in the folder, an adapter's base at `moved` where one is given."""
    from cockpit.launch.engines import EngineKey, start_folder_engine
    from cockpit.launch.saved_recipe import recipe_of
    from cockpit.machine.gpu import GpuProbe
    from cockpit.models.saved_folder import SavedFolder
    from cockpit.paths import kind_of
    from cockpit.recipe.document import resolved_yaml
    from cockpit.runs.folder import RunDir

    saved = SavedFolder(folder)
    if moved is not None and kind_of(folder) == "folder":
        if not saved.is_adapter:
            end(NEEDS_NO_BASE, 2)
        # An adapter that lies in the folder of its run is checked by that run's record.
        saved = SavedFolder(folder, settle_base(moved, RunDir(folder.parent), folder))
    if defect := saved.defect():
        end(defect, 2)
    if base and not saved.is_adapter:
        end(NO_BASE, 2)
    try:
        recipe = recipe_of(saved)
        started = start_folder_engine(folder, EngineKey.of(recipe, GpuProbe().wait()), resolved_yaml(recipe))
    except (ValueError, OSError) as error:
        end(str(error), 1)
    return started.link, started


def _reach(run: RunDir, base: str | None) -> tuple[RunLink, StartedEngine | None]:
    """The run's own engine where it lives and has ended training, which has its base already, else a new one that loads
    what the run has saved, on the base at `base` where one is given."""
    from cockpit.launch.engines import EngineKey, start_chat_engine
    from cockpit.machine.gpu import GpuProbe
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.link import RunLink
    from cockpit.runs.moved_base import why_no_base, with_base
    from cockpit.runs.origin import recipe_of_run
    from cockpit.runs.summary import RunSummary

    if run.liveness() == "alive":
        if RunSummary.of(run).state == "running":
            end(f"The run {run.id} is still training; chat with it when it has ended.", 1)
        return RunLink(run), None
    if run.result is None:
        end(f"The run {run.id} has saved no adapter, so there is nothing to chat with.", 1)
    try:
        recipe = recipe_of_run(run.path).recipe()
        if run.result == run.adapter and (gone := why_no_base(with_base(recipe, base))):
            end(gone, 1)
        started = start_chat_engine(run, EngineKey.of(recipe, GpuProbe().wait()), base)
    except (RecipeError, ValueError, OSError) as error:
        end(str(error), 1)
    return started.link, started
