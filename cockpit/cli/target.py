"""What can be asked: a run, one of its checkpoints, the folder of an adapter or a model, a GGUF file, a plain model"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.cli.ending import end

if TYPE_CHECKING:
    from cockpit.runs.folder import RunDir

TARGET_HELP = (
    "A run's id, a unique beginning of one, or last; RUN@STEP for a checkpoint; a folder with an adapter or a model; a "
    "GGUF file; or a model's name in the Hub's cache."
)


@dataclass(frozen=True)
class Target:
    """`run` is None where no run has to do with it; `saved` is what is loaded, None where it is the run's result."""

    name: str
    run: RunDir | None
    saved: Path | None = None

    @property
    def is_gguf(self) -> bool:
        """Whether llama.cpp answers."""
        return self.saved is not None and self.saved.suffix.lower() == ".gguf"

    @property
    def has_base(self) -> bool:
        """Whether there is an adapter that can be switched off."""
        if self.saved is not None:
            return (self.saved / "adapter_config.json").is_file()
        return self.run is not None and self.run.result != self.run.model


def find_target(name: str) -> Target:
    """What was named. Ends the command where there is nothing of that name."""
    from cockpit.paths import embedded_models, kind_of, resolve
    from cockpit.runs.folder import RunDir, find_run

    if name in embedded_models():
        return Target(name, None, Path(resolve(name)))
    run_name, at, step = name.rpartition("@")
    if at and step.isdecimal() and kind_of(Path(name)) == "nothing":
        return _checkpoint(name, run_name, int(step))
    path = _path(name)
    if path is not None:
        if kind_of(path) == "file" and path.suffix.lower() == ".gguf":
            return Target(name, None, path)
        if kind_of(path / "recipe.yaml") == "file":
            return Target(name, RunDir(path))
        if kind_of(path) == "folder" and (file := _only_gguf(path)):
            return Target(name, None, file)
        if kind_of(path) == "nothing" and (cached := _cached(name)) is not None:
            return Target(name, None, cached)
        return Target(name, None, path)
    try:
        return Target(name, find_run(name))
    except LookupError as error:
        if (cached := _cached(name)) is not None:
            return Target(name, None, cached)
        end(str(error), 2)


def _checkpoint(name: str, run_name: str, step: int) -> Target:
    from cockpit.runs.checkpoint import checkpoints
    from cockpit.text.numbers import count
    from cockpit.text.plain_text import plain_line

    run = find_target(run_name).run
    if run is None:
        end(f"{plain_line(run_name)} is no run, so it has no checkpoints; give RUN@STEP.", 2)
    found = {one.step: one for one in checkpoints(run.checkpoints)}
    if step not in found:
        steps = ", ".join(count(number) for number in sorted(found))
        has = f"it has those of steps {steps}" if steps else "it has none"
        end(f"The run {plain_line(run.id)} has no checkpoint of step {count(step)}; {has}.", 2)
    if wrong := found[step].defect() or run.why_linked():
        end(f"The checkpoint of step {count(step)} cannot be used: {wrong.rstrip('.')}.", 1)
    return Target(name, run, found[step].path)


def _path(name: str) -> Path | None:
    """The path that was named in place of a run; None where it is no path."""
    from cockpit.paths import expanded, kind_of, runs_folder

    is_run = kind_of(runs_folder() / name) == "folder" or kind_of(Path(name)) == "nothing"
    if not name.startswith((".", "~")) and "/" not in name and is_run:
        return None
    try:
        return expanded(name).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links is a RuntimeError
        end(f"This is no path: {error}.", 2)


def _cached(name: str) -> Path | None:
    from cockpit.models.hub_cache import cached_snapshot

    return cached_snapshot(name)


def _only_gguf(folder: Path) -> Path | None:
    """The GGUF file of an export's folder, which holds the weights; None where it holds something else."""
    if (folder / "config.json").exists() or (folder / "adapter_config.json").exists():
        return None
    files = [path for path in folder.glob("*.gguf") if not path.name.startswith("mmproj-")]
    return files[0] if len(files) == 1 else None
