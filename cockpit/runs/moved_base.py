"""The base of a run in another folder than it was trained in: whether it is the same model"""

from __future__ import annotations

from pathlib import Path

from cockpit.models.fingerprint import difference
from cockpit.models.folder import ModelFolder
from cockpit.models.weights_file import NOT_READABLE, shapes_of
from cockpit.paths import kind_of, located
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import RunStarted
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir
from cockpit.text.plain_text import plain_line

READS_HIDDEN = ("q_proj", "k_proj", "v_proj", "qkv_proj", "gate_proj", "up_proj")
"""Layers whose input is as wide as the model."""


def base_folder(recipe: Recipe) -> Path | None:
    """The folder of the recipe's base, which need not be there; None for a model of the Hub."""
    try:
        return located(recipe.model.name_or_path)
    except (OSError, ValueError):
        return None


def why_no_base(recipe: Recipe) -> str:
    """That the folder of the recipe's base is not there, in a sentence; empty where it is, or comes from the Hub."""
    folder = base_folder(recipe)
    if folder is None or kind_of(folder) == "folder":
        return ""
    return f"The base model is not there: {plain_line(str(folder))}; name its new place with --model."


def recorded_base(run: RunDir) -> dict[str, str]:
    """The fingerprint of the base that the run began with; empty where none was recorded."""
    reader = EventReader(run.events)
    try:
        while batch := reader.poll():
            for event in batch:
                if isinstance(event, RunStarted) and event.base_sha256:
                    return event.base_sha256
    finally:
        reader.close()
    return {}


def moved_base(named: str, run: RunDir, saved: Path | None) -> tuple[str, str]:
    """The absolute path of `named`, where the base of the run is said to be, and a warning, empty where its hashes are
    those that the run has recorded. `saved` holds the run's adapter or model; without a record it is compared.

    Raises ValueError with a sentence where there is no model, or another one.
    """
    shown = plain_line(named)
    try:
        folder = located(named)
        if folder is None or not (folder / "config.json").is_file():
            raise ValueError(f"--model: there is no model in {shown}; give the folder that the base is in.")
        recorded = recorded_base(run)
        differs = difference(recorded, folder) if recorded else _misfit(saved, ModelFolder.at(folder))
    except OSError as error:
        raise ValueError(f"--model: {shown} cannot be read: {plain_line(error.strerror or str(error))}.") from error
    if differs:
        raise ValueError(f"--model: {shown} is not the base that was trained on: {differs}.")
    unchecked = f"That {shown} is the base that was trained on cannot be checked: its hashes were not recorded."
    return str(folder), "" if recorded else unchecked


def why_other_base(run: RunDir, recipe: Recipe) -> str:
    """That the base in its folder is not the one that the run was trained on any more, in a sentence; empty where it
    is, and where that cannot be told."""
    try:
        recorded, folder = recorded_base(run), base_folder(recipe)
        if run.result != run.adapter or not recorded or folder is None or kind_of(folder) != "folder":
            return ""
        differs = difference(recorded, folder)
    except OSError:
        return ""
    if not differs:
        return ""
    return f"The base in {plain_line(str(folder))} is not the one that was trained on: {differs}."


def with_base(recipe: Recipe, name: str | None) -> Recipe:
    """The recipe with its base at `name`, of whatever revision is there; as it is without a name."""
    if not name:
        return recipe
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"name_or_path": name, "revision": None})})


def _misfit(saved: Path | None, base: ModelFolder) -> str:
    """What in the base's config cannot be of the model that `saved` was trained on, as a clause; empty where nothing
    is known to be."""
    if saved is None:
        return ""
    trained = ModelFolder.at(saved)
    if trained.config:
        if trained.architectures != base.architectures:
            return "its architecture is another"
        different = (name for name in ("hidden_size", "vocab_size") if _figure(trained, name) != _figure(base, name))
        return next((f"its {name} is another" for name in different), "")
    widths, width = _adapted_widths(saved), _figure(base, "hidden_size")
    if widths and width is not None and width not in widths:
        return f"the adapter was made for a hidden_size of {max(widths)}, and it has {plain_line(str(width))}"
    return ""


def _figure(model: ModelFolder, name: str) -> object:
    text = model.config.get("text_config")
    return text.get(name) if isinstance(text, dict) else model.config.get(name)


def _adapted_widths(adapter: Path) -> set[int]:
    """Widths of what the adapter's layers read; empty where its file does not tell."""
    try:
        shapes = shapes_of(adapter / "adapter_model.safetensors")
        return {
            shape[1]
            for name, shape in shapes.items()
            if name.endswith(tuple(f"{layer}.lora_A.weight" for layer in READS_HIDDEN))
        }
    except (EOFError, *NOT_READABLE):
        return set()
