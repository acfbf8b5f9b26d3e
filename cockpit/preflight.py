"""Said before anything is loaded: what cannot work on this machine, and what this version does not do yet."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any

from cockpit.dataset_file import recognise, trains_images
from cockpit.dataset_rows import SUFFIXES
from cockpit.gpu import GpuReport
from cockpit.model_check import NAME, model_folder, of_machine, of_model, of_place
from cockpit.model_folder import TOKENIZERS, read_json
from cockpit.plain_text import plain_line
from cockpit.recipe.data import Source
from cockpit.recipe.embedded import local_path, resolve
from cockpit.recipe.field_path import as_listed, dotted
from cockpit.recipe.hub_cache import is_cached_dataset, is_hub_name, is_offline
from cockpit.recipe.not_yet import NOT_YET, is_not_yet
from cockpit.recipe.problem import Problem
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schema import find_place, leaves, listed
from cockpit.recipe.section import Conflict, Section
from cockpit.recipe.validation import scalar_shown, shown
from cockpit.template_names import MODELS_OWN, named_templates

REPORTERS = {
    "azure_ml": (("azureml-core", "azureml.core.run"),),
    "dagshub": (("dagshub", "dagshub"), ("mlflow", "mlflow")),
    "flyte": (("flytekit", "flytekit"),),
}
"""Reporters that are not called as the one package that they need."""
KUBEFLOW = "KUBEFLOW_TRAINER_SERVER_URL"
"""What a Kubeflow TrainJob puts into the environment of its containers; the reporter needs no package."""
LineOf = Callable[[str], int | None]
"""The line of the recipe's file at which a field stands; None where it is not in the file."""


def preflight(recipe: Recipe, report: GpuReport, file: str, line_of: LineOf = lambda _: None) -> list[Problem]:
    """What stands in the way of this recipe on this machine, in this version; empty where nothing does.

    Looks at the disk and at `report`, never at a network; a data file is read once for as long as it does not change.
    `line_of` gives problems their lines: RecipeDocument.line.
    """
    images = trains_images(recipe)
    checks = (
        _not_yet(recipe),
        of_machine(recipe, report, images=images),
        of_model(recipe, images=images),
        _of_tokenizer(recipe),
        _of_data(recipe),
        _of_output(recipe),
    )
    return _problems(chain.from_iterable(checks), file, line_of)


def preflight_of_data(recipe: Recipe, file: str, line_of: LineOf = lambda _: None) -> list[Problem]:
    """As `preflight`, of the data and the tokenizer alone."""
    return _problems(chain(of_place(recipe), _of_tokenizer(recipe), _of_data(recipe)), file, line_of)


def _problems(found: Iterable[Conflict], file: str, line_of: LineOf) -> list[Problem]:
    return [Problem(file, line_of(one.field), one.field, one.wrong, one.right) for one in found]


def _not_yet(recipe: Recipe) -> Iterator[Conflict]:
    """Fields with a value that this version's engine would not follow."""
    for path, value in leaves(recipe):
        place = find_place(path)
        if place is None or not is_not_yet(path) or place.required or value == place.default:
            continue
        default = "leave it empty" if place.default in (None, []) else f"give {scalar_shown(place.default)}"
        instead = NOT_YET.get(dotted(as_listed(path)))
        right = f"{default}, and {instead}" if instead else default
        yield Conflict(dotted(path), f"a run of this version cannot do {_word(value)}", right)


def _word(value: Any) -> str:
    if isinstance(value, bool | list | Section):
        return "this"
    return value if isinstance(value, str) and re.fullmatch(r"[\w.-]{1,30}", value) else shown(value)


def _of_tokenizer(recipe: Recipe) -> Iterator[Conflict]:
    """A model of this disk whose tokenizer is missing, or lacks the template that the data asks for."""
    folder = model_folder(recipe)
    if folder is None or not folder.config:
        return
    if not any((folder.path / name).is_file() for name in TOKENIZERS):
        yield Conflict(NAME, "the folder has no tokenizer", "copy the tokenizer's files beside the weights")
    elif recipe.data.chat_template == "model" and not _has_chat_template(folder.path) and _needs_template(recipe):
        wrong = "the model's tokenizer has no chat template, and the data holds conversations"
        yield Conflict("data.chat_template", wrong, "give chatml")


def _has_chat_template(folder: Path) -> bool:
    if any((folder / name).exists() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    return bool(read_json(folder / "tokenizer_config.json").get("chat_template"))


def _needs_template(recipe: Recipe) -> bool:
    for source in recipe.data.sources:
        try:
            path = Path(resolve(source.name_or_path)).expanduser()
            if recognise(path, source.columns, source.format, source.split).form != "text":
                return True
        except (OSError, ValueError, RuntimeError):
            continue  # told by the check of the data
    return False


def _of_data(recipe: Recipe) -> Iterator[Conflict]:
    name = recipe.data.chat_template
    if name != MODELS_OWN and (templates := named_templates()) and name not in templates:
        close = get_close_matches(name, templates, n=3, cutoff=0.5) or ["chatml", "gemma-3", "llama-3.1", "qwen-3"]
        yield Conflict(
            "data.chat_template", f"{shown(name)} is no template of Unsloth's", f"give model, or {listed(close)}"
        )
    for index, source in enumerate(recipe.data.sources):
        yield from _of_source(f"data.sources.{index}", source)


def _of_source(field: str, source: Source) -> Iterator[Conflict]:
    named = f"{field}.name_or_path"
    try:
        path = Path(resolve(source.name_or_path)).expanduser()
        kind = "file" if path.is_file() else "folder" if path.is_dir() else "nothing"
    except (OSError, ValueError, RuntimeError) as error:
        yield Conflict(named, str(error), "")
        return
    if kind == "nothing":
        yield from _of_hub_dataset(field, source, path)
        return
    if source.subset is not None:
        yield Conflict(f"{field}.subset", "data on this disk has no subsets", "leave it empty")
    if source.file is not None:
        wrong = "it names a file of a repository on the Hub, and the data is on this disk"
        yield Conflict(f"{field}.file", wrong, "leave it empty, and name the file itself in name_or_path")
    try:
        recognise(path, source.columns, source.format, source.split)
    except ValueError as error:
        about_split = source.split != "train" and "split" in str(error)
        yield Conflict(f"{field}.split" if about_split else named, str(error), "")
    except OSError as error:
        yield Conflict(named, f"it cannot be read ({error.strerror or error})", "give a file that you may read")


def _of_hub_dataset(field: str, source: Source, path: Path) -> Iterator[Conflict]:
    name = f"{field}.name_or_path"
    if local_path(source.name_or_path) is not None or path.suffix.lower() in SUFFIXES:
        endings = f"give a file that ends in {', '.join(SUFFIXES)}"
        yield Conflict(name, f"there is no such file: {plain_line(source.name_or_path)}", endings)
    elif not is_hub_name(source.name_or_path):
        wrong = f"{shown(source.name_or_path)} is neither a file here nor a name on the Hub"
        yield Conflict(name, wrong, "give a file, or a dataset as owner/name")
    elif is_offline("HF_DATASETS_OFFLINE") and not is_cached_dataset(source.name_or_path):
        named = plain_line(source.name_or_path)
        wrong = f"the dataset {named} is not in the cache here, and HF_HUB_OFFLINE forbids to fetch it"
        yield Conflict(name, wrong, "give a file that is on this disk")


def _of_output(recipe: Recipe) -> Iterator[Conflict]:
    for index, name in enumerate(recipe.output.report_to):
        field = f"output.report_to.{index}"
        if name == "kubeflow":
            if not os.environ.get(KUBEFLOW):
                yield Conflict(field, f"this is no Kubeflow TrainJob: {KUBEFLOW} is not set", "leave it out")
            continue
        missing = [package for package, module in _packages_of(name) if not _is_installed(module)]
        if missing:
            wrong = f"the package {missing[0]} is not installed here"
            yield Conflict(field, wrong, f"install it (pip install {' '.join(missing)}), or leave it out")


def _packages_of(reporter: str) -> tuple[tuple[str, str], ...]:
    """The packages that a reporter needs: as they are installed, and as they are imported."""
    return REPORTERS.get(reporter, ((reporter, reporter),))


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even what it is a part of
        return False
