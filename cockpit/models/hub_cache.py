"""Models that the Hub's cache on this disk holds whole. Folder names and files only: nothing is imported or asked."""

from __future__ import annotations

import os
import re
from pathlib import Path

_shard = re.compile(r".+-\d+-of-(\d+)\.(?:safetensors|bin)")


def cache_folder() -> Path:
    """Where the Hub's library keeps what it has downloaded."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if named := os.environ.get(name):
            return Path(named).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def cached_models() -> list[str]:
    """Names of the models (owner/name) that have a snapshot with config.json and all of its weights, sorted."""
    try:
        folders = [path for path in cache_folder().iterdir() if path.name.startswith("models--")]
    except OSError:
        return []
    whole = (folder for folder in folders if any(map(is_complete, _snapshots(folder))))
    return sorted("/".join(folder.name.split("--")[1:]) for folder in whole)


def cached_snapshot(name: str) -> Path | None:
    """The folder of a cached model's newest complete snapshot; None where there is none."""
    if not is_hub_name(name):
        return None
    whole = filter(is_complete, _snapshots(cache_folder() / f"models--{name.replace('/', '--')}"))
    return max(whole, key=lambda path: path.stat().st_mtime, default=None)


def _snapshots(folder: Path) -> list[Path]:
    try:
        return [path for path in (folder / "snapshots").iterdir() if path.is_dir()]
    except OSError:
        return []


def is_complete(snapshot: Path) -> bool:
    """Whether a snapshot has its config and all of its weights. Its files are links to downloads; one that is not there
    yet is a link to nothing."""
    try:
        names = [path.name for path in snapshot.iterdir() if path.exists()]
    except OSError:
        return False
    if "config.json" not in names:
        return False
    shards = [found for name in names if (found := _shard.fullmatch(name))]
    if shards:
        return len(shards) >= int(shards[0][1])
    return any(name.endswith((".safetensors", ".bin")) for name in names)


def is_offline(*variables: str) -> bool:
    """Whether HF_HUB_OFFLINE, or one of `variables`, disables asking the Hub, as its library reads them."""
    values = (os.environ.get(name, "").upper() for name in ("HF_HUB_OFFLINE", *variables))
    return any(value in ("1", "ON", "YES", "TRUE") for value in values)


def is_hub_name(name: str) -> bool:
    """Whether the name could be one on the Hub: name or owner/name."""
    return re.fullmatch(r"[\w.-]+(?:/[\w.-]+)?", name) is not None


def is_cached_dataset(name: str) -> bool:
    """Whether the datasets library or the Hub's library has kept something of the dataset on this disk."""
    named = os.environ.get("HF_DATASETS_CACHE")
    prepared = Path(named).expanduser() if named else cache_folder().parent / "datasets"
    try:
        if (cache_folder() / f"datasets--{name.replace('/', '--')}").is_dir():
            return True
        # The library writes a name's capitals and dashes in a way of its own.
        return any(_letters(path.name) == _letters(name) for path in prepared.iterdir())
    except OSError:
        return False


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
