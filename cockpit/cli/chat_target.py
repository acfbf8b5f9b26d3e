"""What a question goes to: the engine of a run, or one that is started on what a run or somebody has saved"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.cli.ending import end, refuse
from cockpit.cli.moved_base import settle_base
from cockpit.cli.target import Target
from cockpit.cli.trust import settle_trust

if TYPE_CHECKING:
    from cockpit.launch.engines import StartedEngine
    from cockpit.recipe.recipe import Recipe
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
            return state.can_chat or state.is_stepping
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


@contextmanager
def answering(found: Target, *, base: bool, moved: str | None, trust: bool) -> Iterator[Answering]:
    """An engine for what was found; one that was started here ends with the block. `base`: the base is asked too;
    `moved`: where it is now. Ends the command where there can be none."""
    if base and not found.has_base:
        end(NO_BASE, 2)
    if moved is not None and not found.has_base:
        end(NEEDS_NO_BASE, 2)
    started: StartedEngine | None
    if found.run is not None:
        settle_trust(found.run, trust)
    if found.saved is None:
        assert found.run is not None
        link, started = _reach(found.run, settle_base(moved, found.run))
    elif found.run is not None:
        link, started = _open_checkpoint(found.run, found.saved, settle_base(moved, found.run, found.saved))
    elif found.is_gguf:
        link, started = _open_gguf(found.saved)
    else:
        link, started = _open_folder(found.saved, moved)
    try:
        yield Answering(link, started)
    finally:
        if started is not None:
            started.process.terminate()
            if found.saved is not None:
                started.process.wait()
                started.link.run.remove()


def _open_gguf(file: Path) -> tuple[RunLink, StartedEngine]:
    """An engine that answers with a GGUF file."""
    from importlib.util import find_spec

    from cockpit.launch.engines import start_gguf_engine
    from cockpit.launch.saved_recipe import recipe_of_gguf
    from cockpit.machine.gpu import GpuProbe
    from cockpit.recipe.document import resolved_yaml

    if find_spec("llama_cpp") is None:
        end("A GGUF file is asked through llama-cpp-python, which is not installed: pip install llama-cpp-python", 1)
    try:
        gpu = GpuProbe().wait().choose("auto")
        started = start_gguf_engine(file, gpu, resolved_yaml(recipe_of_gguf(file)))
    except (ValueError, OSError) as error:
        end(str(error), 1)
    return started.link, started


def _open_checkpoint(run: RunDir, saved: Path, base: str | None) -> tuple[RunLink, StartedEngine]:
    """An engine that answers with a checkpoint, loaded as the run was."""
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.moved_base import why_no_base, why_other_base, with_base
    from cockpit.runs.origin import recipe_of_run

    try:
        recipe = with_base(recipe_of_run(run.path).recipe(), base)
    except RecipeError as error:
        end("\n".join(map(str, error.problems)), 2)
    if (saved / "adapter_config.json").is_file():
        if gone := why_no_base(recipe):
            end(gone, 1)
        if base is None and (other := why_other_base(run, recipe)):
            print(other, file=sys.stderr)
    return _start(saved, recipe)


def _open_folder(folder: Path, moved: str | None) -> tuple[RunLink, StartedEngine]:
    """An engine that answers with what is saved in the folder, an adapter's base at `moved` where one is given."""
    from cockpit.launch.saved_recipe import recipe_of
    from cockpit.models.saved_folder import SavedFolder
    from cockpit.paths import kind_of
    from cockpit.runs.folder import RunDir

    saved = SavedFolder(folder)
    if moved is not None and kind_of(folder) == "folder":
        # An adapter that lies in the folder of its run is checked by that run's record.
        saved = SavedFolder(folder, settle_base(moved, RunDir(folder.parent), folder))
    if defect := saved.defect():
        end(defect, 2)
    try:
        recipe = recipe_of(saved)
    except ValueError as error:
        end(str(error), 1)
    return _start(folder, recipe)


def _start(folder: Path, recipe: Recipe) -> tuple[RunLink, StartedEngine]:
    from cockpit.launch.engines import EngineKey, start_folder_engine
    from cockpit.machine.gpu import GpuProbe
    from cockpit.recipe.document import resolved_yaml

    try:
        started = start_folder_engine(folder, EngineKey.to_ask(recipe, GpuProbe().wait()), resolved_yaml(recipe))
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
            print(f"The run {run.id} is training: it answers between two steps, and waits for that.", file=sys.stderr)
        return RunLink(run), None
    if run.result is None:
        end(f"The run {run.id} has saved no adapter, so there is nothing to chat with.", 1)
    try:
        recipe = recipe_of_run(run.path).recipe()
        if run.result == run.adapter and (gone := why_no_base(with_base(recipe, base))):
            end(gone, 1)
        started = start_chat_engine(run, EngineKey.to_ask(recipe, GpuProbe().wait()), base)
    except RecipeError as error:
        refuse([str(problem) for problem in error.problems])
    except (ValueError, OSError) as error:
        end(str(error), 1)
    return started.link, started
