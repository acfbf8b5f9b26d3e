"""Models of the Hub: their files are brought into the Hub's cache before anything is loaded, and loaded from there"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit import figures
from cockpit.engine.ending import RunFailure, first_line
from cockpit.model_folder import TOKENIZERS
from cockpit.plain_text import plain_text
from cockpit.recipe.embedded import PREFIX, local_path, resolve
from cockpit.recipe.model import Model

AT_ONCE = 4
"""Files that are fetched at the same time."""
LOOK_EVERY_S = 0.2
CONFIG = "config.json"
ENDINGS = (".json", ".safetensors", ".model", ".txt", ".jinja", ".tiktoken")
"""Files of a model that are fetched; .bin files only where there are no safetensors, .py only where code is trusted."""
SPARE_BYTES = 2**30
"""What is left free on the disk at least."""

Progress = Callable[[int, int], None]
"""Told the bytes that are here and those of the whole model, a few times a second; may raise to end the download."""


@dataclass(frozen=True)
class Listing:
    """What the Hub holds of a model: the commit, and the size in bytes of each file that is wanted."""

    commit: str
    files: dict[str, int]


def is_on_hub(model: Model) -> bool:
    """Whether the recipe names a model of the Hub, not one on this disk."""
    return not model.name_or_path.startswith(PREFIX) and local_path(model.name_or_path) is None


def folder_of(model: Model) -> Path:
    """The folder that the model is loaded from; for one of the Hub the cached one. Raises RunFailure."""
    if not is_on_hub(model):
        return Path(resolve(model.name_or_path)).expanduser()
    found = _cached_folder(model)
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
            f"The tokenizer of {_shown(model)} is not in the Hub's cache here, and HF_HUB_OFFLINE forbids to fetch it.",
            "Give a model that is on this disk, or unset HF_HUB_OFFLINE.",
        )
    try:
        listing = _listing(model)
        files = {name: size for name, size in listing.files.items() if not name.endswith((".safetensors", ".bin"))}
        _fetch(model, Listing(listing.commit, files), lambda done, total: None)
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
                f"The model {_shown(model)} is not in the Hub's cache here, and HF_HUB_OFFLINE forbids to fetch it.",
                "Give a model that is on this disk, or unset HF_HUB_OFFLINE.",
            )
        return
    try:
        _fetch(model, _listing(model), progress)
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
    return Listing(str(info.sha), files)


def _is_wanted(name: str, code: bool) -> bool:
    if name.endswith(".py"):
        return code
    # Folders hold the same weights in other forms; consolidated files are the maker's own form.
    return "/" not in name and name.endswith(ENDINGS) and not name.startswith("consolidated")


def _fetch(model: Model, listing: Listing, progress: Progress) -> None:
    """All files of the listing, AT_ONCE at a time."""
    from huggingface_hub import hf_hub_download

    missing = {name: size for name, size in listing.files.items() if not _is_cached(model, name, listing.commit)}
    total = sum(listing.files.values())
    counter = _Counter(total - sum(missing.values()))
    _check_disk(model, sum(missing.values()))

    def fetch(name: str) -> None:
        # The first file is asked for by the branch, which notes in the cache what commit it stands for.
        revision = model.revision if name == CONFIG else listing.commit
        hf_hub_download(model.name_or_path, name, revision=revision, tqdm_class=counter.bar())

    fetch(CONFIG)
    missing.pop(CONFIG, None)
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="download")
    try:
        waiting: set[Future[None]] = {pool.submit(fetch, name) for name in missing}
        while waiting:
            done, waiting = wait(waiting, LOOK_EVERY_S, return_when="FIRST_EXCEPTION")
            progress(counter.bytes, total)
            for future in done:
                future.result()
        progress(total, total)
    finally:
        counter.stopped = True
        pool.shutdown(wait=False, cancel_futures=True)


class _Counter:
    """Bytes that have come, over all files."""

    def __init__(self, bytes_here: int) -> None:
        self.bytes = bytes_here
        self.stopped = False
        self._lock = threading.Lock()

    def bar(self) -> Any:
        """A class that hf_hub_download takes for a progress bar; draws nothing."""
        counter = self

        class Bar:
            def __init__(self, *args: Any, **options: Any) -> None:
                self.total, self.n = options.get("total"), 0
                self.update(options.get("initial") or 0)

            def update(self, size: float | None = 1) -> None:
                if counter.stopped:
                    raise RuntimeError("The download was ended.")
                with counter._lock:
                    counter.bytes += int(size or 0)

            def __enter__(self) -> Bar:
                return self

            def __exit__(self, *_: object) -> None: ...

            def __getattr__(self, name: str) -> Callable[..., None]:
                return lambda *_, **__: None

        return Bar


def _is_cached(model: Model, name: str, commit: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(model.name_or_path, name, revision=commit), str)


def _cached_folder(model: Model) -> Path | None:
    """The snapshot of the wanted revision where the cache holds it whole."""
    from huggingface_hub import try_to_load_from_cache

    from cockpit.recipe.hub_cache import is_whole

    config = try_to_load_from_cache(model.name_or_path, CONFIG, revision=model.revision)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return folder if is_whole(folder) else None


def _check_disk(model: Model, wanted: int) -> None:
    from huggingface_hub import constants

    place = Path(constants.HF_HUB_CACHE).expanduser()
    there = next(parent for parent in (place, *place.parents) if parent.is_dir())
    free = shutil.disk_usage(there).free
    if wanted and wanted + SPARE_BYTES > free:
        raise RunFailure(
            f"{_shown(model)} needs {figures.size(wanted)} more on the disk of {plain_text(str(place))}, and "
            f"{figures.size(free)} are free.",
            "Make room there, or set HF_HOME to a folder on a larger disk.",
        )


def _is_connection(error: Exception) -> bool:
    from huggingface_hub.errors import HfHubHTTPError

    response = getattr(error, "response", None)
    return not isinstance(error, HfHubHTTPError) or (response is not None and response.status_code >= 500)


def _unreachable(error: Exception) -> str:
    reason = _without_login(plain_text(first_line(error), keep_newlines=False))[:120]
    return f"The Hub ({_endpoint()}) cannot be reached ({reason})."


def _endpoint() -> str:
    from huggingface_hub import constants

    return _without_login(plain_text(str(constants.ENDPOINT), keep_newlines=False))


def _without_login(text: str) -> str:
    """Addresses may hold a name and a password, which are nobody else's to read."""
    return re.sub(r"//[^/\s]*@", "//", text)


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
            f"{name} has no revision {plain_text(str(model.revision), keep_newlines=False)} on the Hub.",
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
    return plain_text(model.name_or_path, keep_newlines=False)[:120]
