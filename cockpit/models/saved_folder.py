"""SavedFolder: an adapter or a whole model that somebody has saved, to chat with; what is wrong with it"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cockpit.models.folder import TOKENIZERS, ModelFolder, read_json
from cockpit.models.weights_file import defect_of_safetensors
from cockpit.paths import kind_of, local_path
from cockpit.text.plain_text import plain_line


@dataclass(frozen=True)
class SavedFolder:
    """A folder with adapter_config.json or with config.json. Nothing is loaded."""

    path: Path
    moved_base: str | None = None
    """Where the adapter's base is, in place of what its config names."""

    @property
    def is_adapter(self) -> bool:
        """Whether it holds an adapter, which needs its base beside it; else a whole model."""
        return (self.path / "adapter_config.json").is_file()

    @property
    def base(self) -> str:
        """The model that is loaded: the adapter's base as its config names it, or the folder itself."""
        if not self.is_adapter:
            return str(self.path)
        return self.moved_base or str(read_json(self.path / "adapter_config.json").get("base_model_name_or_path") or "")

    @property
    def revision(self) -> str | None:
        """The branch, tag or commit of the Hub that the adapter was trained on; None for the newest."""
        if not self.is_adapter or self.moved_base:
            return None
        named = read_json(self.path / "adapter_config.json").get("revision")
        return str(named) if named else None

    def defect(self) -> str:
        """Why it cannot be chatted with, in a sentence; empty where all of it is there."""
        shown = plain_line(str(self.path))
        if kind_of(self.path) != "folder":
            return f"There is no folder {shown}."
        if not self.is_adapter and not (self.path / "config.json").is_file():
            right = "give a run's id, or a folder with adapter_config.json or config.json"
            return f"{shown} holds neither an adapter nor a model; {right}."
        found = self._defect_of_adapter() if self.is_adapter else self._defect_of_model(self.path)
        to_fetch = self.is_adapter and local_path(self.base) is None  # a base of the Hub comes with its tokenizer
        if not found and not to_fetch and not any(map(_has_tokenizer, self._folders())):
            found = "there is no tokenizer in it"
            found += ", nor in its base" if self.is_adapter else ""
        return f"{shown} cannot be loaded: {found}." if found else ""

    def _folders(self) -> list[Path]:
        """Where on this disk its tokenizer may lie."""
        base = local_path(self.base) if self.is_adapter else None
        return [self.path, *([base] if base is not None else [])]

    def _defect_of_adapter(self) -> str:
        config = read_json(self.path / "adapter_config.json")
        if not config:
            return "adapter_config.json cannot be read"
        if not (self.path / "adapter_model.bin").is_file():
            defect = defect_of_safetensors(self.path / "adapter_model.safetensors")
            if defect:
                return defect
        base = plain_line(self.base)
        if not base:
            return "adapter_config.json names no base model"
        place = local_path(self.base)
        if place is None:
            return "" if "/" in self.base else f"its base {base} is neither a folder here nor a name on the Hub"
        if not place.is_dir():
            return f"its base model is not there: {base}; name its new place with --model"
        return self._defect_of_model(place)

    def _defect_of_model(self, folder: Path) -> str:
        model = ModelFolder.at(folder)
        whose = "its base's " if folder != self.path else ""
        if not model.config:
            return f"{whose}config.json is missing or cannot be read"
        if not model.weights:
            return f"{whose}weights are missing"
        if missing := model.missing_shards():
            return f"{whose}weights are incomplete: {plain_line(missing[0])} is missing"
        truncated = (defect_of_safetensors(path) for path in model.weights if path.suffix == ".safetensors")
        return next((whose + defect for defect in truncated if defect), "")


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in TOKENIZERS)
