"""Models of the Hub: their files are brought into the Hub's cache before anything is loaded, and loaded from there"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cockpit.engine.errors import RunFailure, first_line
from cockpit.engine.hub.files import Listing, Progress, fetch
from cockpit.models.folder import TOKENIZERS
from cockpit.paths import PREFIX, local_path, located
from cockpit.recipe.model import Model
from cockpit.text.plain_text import plain_line, without_logins

CONFIG = "config.json"
ENDINGS = (".json", ".safetensors", ".model", ".txt", ".jinja", ".tiktoken")
"""Files of a model that are fetched; .bin files only where there are no safetensors, .py only where code is trusted."""


def is_on_hub(model: Model) -> bool:
    """Whether the recipe names a model of the Hub, not one on this disk."""
    return not model.name_or_path.startswith(PREFIX) and local_path(model.name_or_path) is None


def folder_of(model: Model) -> Path:
    """The folder that the model is loaded from; for one of the Hub the cached one. Raises RunFailure."""
    found = located(model.name_or_path) or _cached_folder(model)
    if found is not None and not is_on_hub(model) and not found.exists():
        raise RunFailure(
            f"The model {_shown(model)} cannot be loaded: there is no such folder.",
            "Put it there, or name its new place with --model in cockpit chat, cockpit export or cockpit resume.",
        )
    if found is None:
        raise RunFailure(f"The model {_shown(model)} is not in the Hub's cache on this disk.", "Train with it once.")
    return found


def tokenizer_folder(model: Model) -> Path:
    """A folder with the model's config, tokenizer and processor; for a model of the Hub these files are fetched where
    the cache lacks them, and no weights. Raises RunFailure."""
    import httpx
    from huggingface_hub import constants, try_to_load_from_cache

    if not is_on_hub(model):
        return folder_of(model)

    def cached() -> Path | None:
        config = try_to_load_from_cache(model.name_or_path, CONFIG, revision=model.revision)
        return Path(config).parent if isinstance(config, str) else None

    folder = cached()
    if folder is not None and any((folder / name).is_file() for name in TOKENIZERS):
        return folder
    if constants.HF_HUB_OFFLINE:
        raise RunFailure(
            f"The tokenizer of {_shown(model)} is not in the Hub's cache, and HF_HUB_OFFLINE disables downloading.",
            "Give a model that is on this disk, or unset HF_HUB_OFFLINE.",
        )
    try:
        listing = _listing(model)
        files = {name: size for name, size in listing.files.items() if not name.endswith((".safetensors", ".bin"))}
        fetch(replace(listing, files=files), lambda done, total: None)
    except (OSError, httpx.TransportError) as error:
        raise _explained(error, model) from error
    folder = cached()
    assert folder is not None
    return folder


def download(model: Model, say: Callable[[str], None], progress: Progress) -> None:
    """Bring what the cache lacks of the model into it. Files that were begun go on where they ended.

    Raises RunFailure with a sentence where the model cannot be had, and whatever `progress` raises.
    """
    import httpx
    from huggingface_hub import constants

    cached = _cached_folder(model)
    if constants.HF_HUB_OFFLINE:
        if cached is None:
            raise RunFailure(
                f"The model {_shown(model)} is not in the Hub's cache, and HF_HUB_OFFLINE disables downloading.",
                "Give a model that is on this disk, or unset HF_HUB_OFFLINE.",
            )
        return
    try:
        fetch(_listing(model), progress)
    except (OSError, httpx.TransportError) as error:
        failure = _explained(error, model)
        if cached is None or not _is_connection(error):
            raise failure from error
        say(f"{failure} The copy in the Hub's cache is used as it is.")


def _listing(model: Model) -> Listing:
    from huggingface_hub import HfApi

    info = HfApi().model_info(model.name_or_path, revision=model.revision, files_metadata=True)
    sizes = {file.rfilename: int(file.size or 0) for file in info.siblings or []}
    files = {name: size for name, size in sizes.items() if _is_wanted(name, model.trust_remote_code)}
    if not any(name.endswith(".safetensors") for name in files):
        files |= {name: size for name, size in sizes.items() if name.startswith("pytorch_model") and "/" not in name}
    if CONFIG not in files:
        what = "an adapter, not a model" if "adapter_config.json" in sizes else "no model that can be trained"
        raise RunFailure(f"{_shown(model)} on the Hub holds {what}: it has no config.json.", "Give another model.")
    # The config is asked for by the branch, which notes in the cache what commit that stands for.
    return Listing(model.name_or_path, "model", str(info.sha), files, {CONFIG: model.revision})


def _is_wanted(name: str, code: bool) -> bool:
    if name.endswith(".py"):
        return code
    # Folders hold the same weights in other forms; consolidated files are the maker's own form.
    return "/" not in name and name.endswith(ENDINGS) and not name.startswith("consolidated")


def _cached_folder(model: Model) -> Path | None:
    """The snapshot of the wanted revision where the cache holds it whole."""
    from huggingface_hub import try_to_load_from_cache

    from cockpit.models.hub_cache import is_complete

    config = try_to_load_from_cache(model.name_or_path, CONFIG, revision=model.revision)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return folder if is_complete(folder) else None


def _is_connection(error: Exception) -> bool:
    from huggingface_hub.errors import HfHubHTTPError

    response = getattr(error, "response", None)
    return not isinstance(error, HfHubHTTPError) or (response is not None and response.status_code >= 500)


def _unreachable(error: Exception) -> str:
    reason = without_logins(plain_line(first_line(error)))[:120]
    return f"The Hub ({_endpoint()}) cannot be reached ({reason})."


def _endpoint() -> str:
    from huggingface_hub import constants

    return without_logins(plain_line(str(constants.ENDPOINT)))


def _explained(error: Exception, model: Model) -> RunFailure:
    """What went wrong between us and the Hub, and what to do."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    name = _shown(model)
    if isinstance(error, GatedRepoError):
        return RunFailure(
            f"{name} is gated: its makers give access on request.",
            f"Ask at {_endpoint()}/{name}, then log in with: hf auth login (or set HF_TOKEN).",
        )
    if isinstance(error, RevisionNotFoundError):
        return RunFailure(
            f"{name} has no revision {plain_line(str(model.revision))} on the Hub.",
            "Give a branch, a tag or a commit in model.revision, or leave it empty.",
        )
    if isinstance(error, RepositoryNotFoundError):
        return RunFailure(
            f"There is no model {name} on the Hub ({_endpoint()}), or it is private and not yours to read.",
            "Look at the name; for a private model log in with: hf auth login (or set HF_TOKEN).",
        )
    if isinstance(error, HfHubHTTPError):
        status = getattr(getattr(error, "response", None), "status_code", None)
        return RunFailure(f"The Hub ({_endpoint()}) answers with status {status} for {name}.", "Try again later.")
    if isinstance(error, OSError) and error.errno is not None and error.filename:
        return RunFailure(f"{name} cannot be written: {error.strerror} ({error.filename}).", "Make room there.")
    return RunFailure(_unreachable(error), "Look at the network and HF_ENDPOINT, or give a model that is on this disk.")


def _shown(model: Model) -> str:
    return plain_line(model.name_or_path)[:120]
