"""Datasets that LLaMA-Factory's dataset_info.json registers -> sources of a recipe"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.importing.ledger import Ledger
from cockpit.importing.settings import Setting, read_file, read_json, refused

FILE = "dataset_info.json"
ALPACA = {
    "prompt": "prompt", "query": "input", "response": "completion", "history": "history", "system": "system",
    "tools": "tools", "images": "image",
}  # fmt: skip
SHAREGPT = {"messages": "messages", "system": "system", "tools": "tools", "images": "image"}
USUAL_ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
USUAL_TAGS = {"role_tag": "from", "content_tag": "value"}


@dataclass(frozen=True)
class DatasetInfo:
    """The registered datasets by name, and the folder that their files lie in; none where there is no such file."""

    entries: dict[str, Any]
    folder: Path | None

    @classmethod
    def find(cls, config: Path, named: str | None) -> DatasetInfo:
        """Those of the folder that the configuration names, `data` unless it does: looked for in the working directory,
        beside the configuration and in the folders above it. Raises RecipeError where the file is broken."""
        if named is not None and named.startswith(("REMOTE:", "ONLINE")):
            return cls({}, None)
        folders = [Path.cwd(), *config.absolute().parents]
        places = [one / part for one in folders for part in ([named] if named else ["data", "."])]
        for place in places:
            if (place / FILE).is_file():
                found = read_json(read_file(place / FILE, str(place / FILE)), str(place / FILE))
                if not isinstance(found, dict):
                    right = 'write it as {"name": {"file_name": "rows.json"}}'
                    raise refused(str(place / FILE), 1, "", "it registers no datasets", right)
                return cls(found, place)
        return cls({}, None)

    def put(self, ledger: Ledger, setting: Setting, field: str, name: str) -> None:
        """Make the dataset the source, or the rows to validate on, at the field."""
        entry = self.entries.get(name)
        if not isinstance(entry, dict):
            self._put_unknown(ledger, setting, field, name)
            return
        ledger.put(setting, f"{field}.name_or_path", self._place(entry, name))
        own = [("split", "split"), ("subset", "subset"), ("max_rows", "num_samples")]
        for ours, theirs in own:
            if entry.get(theirs) is not None:
                ledger.put(setting, f"{field}.{ours}", entry[theirs])
        if isinstance(entry.get("folder"), str):
            ledger.put(setting, f"{field}.subset", entry["folder"])
        self._put_columns(ledger, setting, field, entry)

    def _put_unknown(self, ledger: Ledger, setting: Setting, field: str, name: str) -> None:
        """A dataset that is not registered: a file, or a name on the Hub, is taken as it stands."""
        is_file = Path(name).suffix in (".json", ".jsonl", ".csv", ".parquet", ".txt")
        ledger.put(setting, f"{field}.name_or_path", name if is_file or "/" in name else f"./{name}.json")
        if not is_file and "/" not in name:
            where = f"{FILE} in {self.folder} does not register it" if self.entries else f"no {FILE} was found"
            lost = Setting(f"{setting.name} {name}", name, setting.line)
            ledger.lose(lost, f"{where}; put the file's place into {field}.name_or_path")

    def _place(self, entry: dict[str, Any], name: str) -> str:
        for key in ("hf_hub_url", "file_name", "ms_hub_url", "script_url", "om_hub_url"):
            if not isinstance(place := entry.get(key), str):
                continue
            if key != "file_name" or self.folder is None:
                return place
            found = self.folder / place
            try:
                return f"./{found.relative_to(Path.cwd())}"
            except ValueError:
                return str(found)
        return name

    def _put_columns(self, ledger: Ledger, setting: Setting, field: str, entry: dict[str, Any]) -> None:
        shares = entry.get("formatting", "alpaca") in ("sharegpt", "openai")
        tags = entry.get("tags") if isinstance(entry.get("tags"), dict) else {}
        columns = entry.get("columns") if isinstance(entry.get("columns"), dict) else {}
        assert isinstance(tags, dict) and isinstance(columns, dict)
        keys = {tag: tags.get(tag, usual) for tag, usual in USUAL_TAGS.items()}
        has_roles = entry.get("formatting") == "openai" or keys == {"role_tag": "role", "content_tag": "content"}
        form = ("messages" if has_roles else "sharegpt") if shares else "alpaca"
        if set(columns) <= {"prompt"} and columns and not shares:
            ledger.put(setting, f"{field}.format", "text")
            ledger.put(setting, f"{field}.columns.text", columns["prompt"])
            return
        if entry.get("ranking"):
            ledger.put(setting, f"{field}.format", "preference")
        elif "kto_tag" not in columns:
            ledger.put(setting, f"{field}.format", form)
        judged = {"chosen": "chosen", "rejected": "rejected", "kto_tag": "label"}
        for theirs, ours in {**(SHAREGPT if shares else ALPACA), **judged}.items():
            column = columns.get(theirs)
            if isinstance(column, str) and column != USUAL_ALPACA.get(theirs):
                ledger.put(setting, f"{field}.columns.{ours}", column)
        self._put_roles(ledger, setting, tags)

    def _put_roles(self, ledger: Ledger, setting: Setting, tags: dict[str, Any]) -> None:
        usual = ("human", "user", "gpt", "assistant", "system", "tool", "function_call", "observation")
        for tag, role in (("user_tag", "user"), ("assistant_tag", "assistant"), ("system_tag", "system")):
            if isinstance(name := tags.get(tag), str) and name not in usual:
                ledger.put(setting, f"data.roles.{name}", role)
