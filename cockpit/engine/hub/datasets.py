"""Datasets of the Hub: their files are brought into the Hub's cache, and read from there by the datasets library"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cockpit.engine.errors import RunFailure, first_line
from cockpit.engine.hub.files import Listing, Progress, fetch
from cockpit.recipe.data import Source
from cockpit.text.plain_text import plain_line

ASKED_AT_ONCE = 500
"""Files whose sizes one request asks for."""


def download(source: Source, progress: Progress) -> None:
    """Bring what the cache lacks of the dataset into it; nothing where its rows are prepared on this disk already.

    Raises RunFailure with a sentence where the dataset cannot be had, and whatever `progress` raises.
    """
    import datasets
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return  # `load` says what is missing
    with _explained(source):
        builder = datasets.load_dataset_builder(source.name_or_path, source.subset, data_files=source.file)
        if Path(builder.cache_dir).is_dir():
            return
        listing = _listing(builder)
        if listing is not None:
            fetch(listing, progress)


def load(source: Source) -> Any:
    """The split that the source names, as a datasets.Dataset. Raises RunFailure where it cannot be had."""
    import datasets

    with _explained(source):
        return datasets.load_dataset(source.name_or_path, source.subset, data_files=source.file, split=source.split)


def write_parquet(source: Source, path: Path) -> None:
    """Write the split that the source names, with the images that it stores. Raises RunFailure, OSError."""
    load(source).to_parquet(str(path))


def _listing(builder: Any) -> Listing | None:
    """What the builder will read; None where that is not in one repository of the Hub."""
    from huggingface_hub import HfApi

    addresses = {str(one) for files in (builder.config.data_files or {}).values() for one in files}
    places: dict[tuple[str, str], list[str]] = {}
    for address in sorted(addresses):
        name, _, rest = address.removeprefix("hf://datasets/").partition("@")
        commit, _, path = rest.partition("/")
        places.setdefault((name, unquote(commit)), []).append(path)
    if len(places) != 1 or not all(one.startswith("hf://datasets/") for one in addresses):
        return None
    [((name, commit), paths)] = places.items()
    sizes = {}
    for begin in range(0, len(paths), ASKED_AT_ONCE):
        asked = paths[begin : begin + ASKED_AT_ONCE]
        for found in HfApi().get_paths_info(name, asked, revision=commit, repo_type="dataset"):
            sizes[found.path] = int(getattr(found, "size", 0))
    return Listing(name, "dataset", commit, sizes)


@contextmanager
def _explained(source: Source) -> Iterator[None]:
    """What the libraries raise of a dataset, as a RunFailure."""
    import httpx
    from datasets.exceptions import DatasetNotFoundError

    name = plain_line(source.name_or_path)
    try:
        yield
    except DatasetNotFoundError as error:
        if "gated" in str(error):
            raise RunFailure(
                f"The dataset {name} is gated: its owner has to let you in.",
                f"Ask for access on its page on the Hub ({name}), then log in (hf auth login) or set HF_TOKEN.",
            ) from error
        raise RunFailure(
            f"There is no dataset {name} on the Hub, or it is private.",
            "Give owner/name as the Hub has it, and for a private one log in (hf auth login) or set HF_TOKEN.",
        ) from error
    except (ConnectionError, TimeoutError, httpx.TransportError) as error:
        raise RunFailure(
            f"The dataset {name} is not in the cache here, and the Hub cannot be reached: {first_line(error)}",
            "Set HF_ENDPOINT to a mirror, or give a file in data.sources.",
        ) from error
    except ValueError as error:
        raise RunFailure(_refusal(name, source, error), "See data.sources: subset and split.") from error
    except (RuntimeError, OSError) as error:
        raise RunFailure(f"The dataset {name} cannot be loaded: {first_line(error)}") from error


def _refusal(name: str, source: Source, error: ValueError) -> str:
    """In one line, what the datasets library says of a subset or a split that is not there."""
    said = first_line(error)
    if "BuilderConfig" in said or "Config name is missing" in said:
        asked = "has several subsets, and none was given" if source.subset is None else f"has no subset {source.subset}"
        return plain_line(f"The dataset {name} {asked}: {' '.join(str(error).split())[:300]}")
    if "split" in said.lower():
        return plain_line(f"The dataset {name} has no split {source.split}: {said}")
    return f"The dataset {name} cannot be loaded: {said}"
