"""Whether the data of a recipe is there and can be read, and the tokenizer that renders it"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from cockpit.data.inputs import Inputs, SourceInput
from cockpit.data.rows import SUFFIXES
from cockpit.models.folder import TOKENIZERS, read_json
from cockpit.models.hub_cache import is_cached_dataset, is_hub_name, is_offline
from cockpit.models.template_names import MODELS_OWN, template_names
from cockpit.paths import local_path
from cockpit.preflight.model import NAME
from cockpit.recipe.data import Source
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schema import listed
from cockpit.recipe.section import Conflict
from cockpit.recipe.validation import shown
from cockpit.text.plain_text import plain_line


def of_tokenizer(recipe: Recipe, inputs: Inputs) -> Iterator[Conflict]:
    """A model of this disk whose tokenizer is missing, or lacks the template that the data asks for."""
    folder = inputs.model
    if folder is None or not folder.config:
        return
    if not any((folder.path / name).is_file() for name in TOKENIZERS):
        yield Conflict(NAME, "the folder has no tokenizer", "copy the tokenizer's files beside the weights")
    elif recipe.data.chat_template == "model" and not _has_chat_template(folder.path) and _needs_template(inputs):
        wrong = "the model's tokenizer has no chat template, and the data holds conversations"
        yield Conflict("data.chat_template", wrong, "give chatml")


def _has_chat_template(folder: Path) -> bool:
    if any((folder / name).exists() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    return bool(read_json(folder / "tokenizer_config.json").get("chat_template"))


def _needs_template(inputs: Inputs) -> bool:
    """Whether any source holds conversations; what is wrong with one is told by the check of the data."""
    return any(source.form is not None and source.form.form != "text" for source in inputs.sources)


def of_data(recipe: Recipe, inputs: Inputs) -> Iterator[Conflict]:
    name = recipe.data.chat_template
    if name != MODELS_OWN and name not in (templates := template_names()):
        close = get_close_matches(name, templates, n=3, cutoff=0.5) or ["chatml", "gemma-3", "llama-3.1", "qwen-3"]
        yield Conflict(
            "data.chat_template", f"{shown(name)} is no template of Unsloth's", f"give model, or {listed(close)}"
        )
    for field, source in inputs.named:
        yield from _of_source(field, source)


def _of_source(field: str, found: SourceInput) -> Iterator[Conflict]:
    named, source, error = f"{field}.name_or_path", found.source, found.error
    if found.path is None:
        yield Conflict(named, str(error), "")
        return
    if found.kind == "nothing":
        yield from _of_hub_dataset(field, source, found.path)
        return
    if source.subset is not None:
        yield Conflict(f"{field}.subset", "data on this disk has no subsets", "leave it empty")
    if source.file is not None:
        wrong = "it names a file of a repository on the Hub, and the data is on this disk"
        yield Conflict(f"{field}.file", wrong, "leave it empty, and name the file itself in name_or_path")
    if isinstance(error, OSError):
        yield Conflict(named, f"it cannot be read ({error.strerror or error})", "give a file that you may read")
    elif error is not None:
        about_split = source.split != "train" and "split" in str(error)
        yield Conflict(f"{field}.split" if about_split else named, str(error), "")


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
        wrong = f"the dataset {named} is not in the cache here, and HF_HUB_OFFLINE disables downloading"
        yield Conflict(name, wrong, "give a file that is on this disk")
