"""The adapter that a run goes on training: where it is, what it is like, and whether a recipe goes with it"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.models.folder import read_json
from cockpit.models.hub_cache import is_hub_name
from cockpit.models.saved_adapter import CONFIG, WEIGHTS
from cockpit.models.weights_file import defect_of_safetensors
from cockpit.paths import kind_of, local_path
from cockpit.recipe.number import number_text
from cockpit.recipe.problem import RecipeError
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.section import Conflict
from cockpit.recipe.validation import shown
from cockpit.runs.checkpoint import checkpoints
from cockpit.runs.folder import RunDir, find_run
from cockpit.runs.origin import recipe_of_run
from cockpit.text.plain_text import plain_line

OF_THE_RUN = ("lora_dropout", "random_state")
"""Fields of `lora` that say nothing of an adapter that is there: a run that goes on has its own."""
IN_CONFIG = ("r", "lora_alpha", "bias", "use_rslora", "use_dora", "target_modules", "modules_to_save")
"""Fields of `lora` that PEFT keeps with an adapter, under the same names."""
CHANGES_BASE = ("loftq", "pissa", "olora", "corda", "lora_ga")
"""Beginnings of an adapter that PEFT takes out of the base's weights: with the base as it is, it is another model."""
NAME = "model.adapter"


@dataclass(frozen=True)
class StartingAdapter:
    """An adapter in a folder. `run` is the run that has saved it, `recipe` that run's; None for one from elsewhere."""

    path: Path
    config: dict[str, Any]
    run: RunDir | None = None
    recipe: Recipe | None = None

    @classmethod
    def named(cls, name: str) -> StartingAdapter:
        """The adapter in a folder, of a run (RUN), or in the checkpoint of one (RUN@STEP). Raises ValueError with what
        is wrong, as the end of a sentence."""
        folder = local_path(name)
        run: RunDir | None
        if folder is None or kind_of(folder) != "folder":
            run, path = _of_run(name)
        elif (folder / CONFIG).is_file():
            run, path = _run_around(folder), folder
        elif (folder / "recipe.yaml").is_file():
            run, path = RunDir(folder), RunDir(folder).adapter
        else:
            raise ValueError("this folder holds no adapter: it has no adapter_config.json")
        if run is not None and (linked := run.why_linked()):
            raise ValueError(linked.rstrip("."))
        return cls(path, _config_in(path), run, _recipe_of(run))

    @property
    def lora(self) -> dict[str, Any]:
        """The fields of the recipe's `lora` that are the adapter's own, with its values."""
        if self.recipe is not None:
            return self.recipe.lora.model_dump(exclude=set(OF_THE_RUN))
        found = {name: self.config[name] for name in IN_CONFIG if self.config.get(name) is not None}
        if not isinstance(found.get("target_modules"), list):  # a pattern, which no recipe can hold
            found.pop("target_modules", None)
        return {name: sorted(value) if isinstance(value, list) else value for name, value in found.items()}

    @property
    def summary(self) -> str:
        """r 8, lora_alpha 16, on q_proj, v_proj."""
        targets = self.config.get("target_modules")
        on = ", ".join(sorted(map(str, targets))) if isinstance(targets, list) else str(targets)
        if len(on) > 100:
            on = f"{len(targets):,} layers" if isinstance(targets, list) else f"{on[:99]}…"
        r, alpha = (_written(self.config.get(name)) for name in ("r", "lora_alpha"))
        return plain_line(f"r {r}, lora_alpha {alpha}, on {on}")

    def conflicts(self, recipe: Recipe) -> Iterator[Conflict]:
        """Where the recipe does not go with the adapter."""
        yield from self._lora_conflicts(recipe)
        yield from self._base_conflicts(recipe)

    def _lora_conflicts(self, recipe: Recipe) -> Iterator[Conflict]:
        own = self.lora
        for name in sorted(recipe.lora.model_fields_set & own.keys()):
            wanted, has = getattr(recipe.lora, name), own[name]
            if isinstance(wanted, list) and isinstance(has, list):
                wanted, has = sorted(wanted), sorted(has)
            if wanted != has:
                wrong = f"it is {shown_value(wanted)}, and the adapter of {NAME} has {shown_value(has)}"
                yield Conflict(f"lora.{name}", wrong, "leave it out, or give the same")
        start = str(self.config.get("init_lora_weights") or "").lower()
        if own.get("loftq_config") is not None or start.startswith(CHANGES_BASE):
            how = start if start.startswith(CHANGES_BASE) else "loftq"
            wrong = f"it was started with init_lora_weights {plain_line(how)}, which has changed its base's weights"
            right = "resume its run instead" if self.run is not None else "merge it there and tune the merged model"
            yield Conflict(NAME, wrong, right)
        if recipe.model.add_tokens and recipe.model.add_tokens != self.added_tokens:
            wrong = "an adapter that is there gets no new tokens"
            right = f"give {shown_value(self.added_tokens)}, as it has" if self.added_tokens else "leave it empty"
            yield Conflict("model.add_tokens", wrong, f"{right}, or merge it and tune the merged model")

    @property
    def added_tokens(self) -> list[str]:
        """The tokens that the adapter's own run has added."""
        return list(self.recipe.model.add_tokens) if self.recipe is not None else []

    def _base_conflicts(self, recipe: Recipe) -> Iterator[Conflict]:
        if self.recipe is not None:
            base, revision = self.recipe.model.name_or_path, self.recipe.model.revision
        else:
            named = self.config.get("revision")
            base, revision = str(self.config.get("base_model_name_or_path") or ""), str(named) if named else None
        wanted = recipe.model.name_or_path
        if wanted == base and recipe.model.revision != revision:
            wrong = f"the adapter was trained on {plain_line(revision or 'the newest')}"
            yield Conflict("model.revision", wrong, "give that" if revision else "leave it empty")
        elif wanted == base:
            return
        elif is_hub_name(wanted) and is_hub_name(base) and local_path(wanted) is None and local_path(base) is None:
            wrong = f"the adapter was trained on {plain_line(base)}"
            yield Conflict("model.name_or_path", wrong, f"give {plain_line(base)}, or the folder of that model")


def with_starting_adapter(recipe: Recipe) -> Recipe:
    """The recipe with what it takes over from its adapter: the fields of `lora`, and the folder that the adapter is in
    now. As it is without an adapter. Raises ValueError as `StartingAdapter.named` does."""
    if recipe.model.adapter is None:
        return recipe
    found = StartingAdapter.named(recipe.model.adapter)
    model = {"adapter": str(found.path.absolute()), "add_tokens": found.added_tokens}
    return recipe.model_copy(
        update={
            "lora": type(recipe.lora).model_validate(recipe.lora.model_dump() | found.lora),
            "model": recipe.model.model_copy(update=model),
        }
    )


def without_starting_adapter(recipe: Recipe) -> Recipe:
    """The recipe of a run that has an adapter of its own by now."""
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"adapter": None})})


def shown_value(value: object) -> str:
    """A value as a sentence has it; lists with all that is in them."""
    return ", ".join(map(str, value)) if isinstance(value, list) and value else shown(value)


def _written(value: object) -> str:
    return number_text(value) if isinstance(value, int | float) else str(value)


def _of_run(name: str) -> tuple[RunDir, Path]:
    called, _, step = name.partition("@")
    try:
        run = find_run(called)
    except LookupError as error:
        raise ValueError(f"{shown(name)} is neither a folder here nor a run: {str(error).rstrip('.')}") from error
    if not step:
        if run.result == run.model:
            raise ValueError("this run has trained every weight; give the folder of its model as model.name_or_path")
        if run.result is None:
            raise ValueError("this run has saved no adapter")
        return run, run.adapter
    found = [one for one in checkpoints(run.checkpoints) if str(one.step) == step]
    if not found:
        steps = ", ".join(f"{one.step:,}" for one in reversed(checkpoints(run.checkpoints)))
        raise ValueError(f"this run has no checkpoint after step {plain_line(step)}; it has {steps or 'none'}")
    return run, found[0].path


def _run_around(folder: Path) -> RunDir | None:
    """The run that the folder of an adapter belongs to, as its result or as one of its checkpoints."""
    for around in (folder.parent, folder.parent.parent):
        if (around / "recipe.yaml").is_file():
            return RunDir(around)
    return None


def _config_in(folder: Path) -> dict[str, Any]:
    config = read_json(folder / CONFIG)
    if not config:
        raise ValueError("its adapter_config.json is missing or cannot be read")
    if config.get("peft_type") != "LORA":
        raise ValueError(f"it is of PEFT's kind {shown(config.get('peft_type'))}, and only LoRA adapters can go on")
    if defect := defect_of_safetensors(folder / WEIGHTS):
        raise ValueError(f"its {defect}")
    return config


def _recipe_of(run: RunDir | None) -> Recipe | None:
    """None where it cannot be read: the adapter's own files say enough."""
    try:
        return recipe_of_run(run.path).recipe() if run is not None else None
    except (RecipeError, OSError):
        return None
