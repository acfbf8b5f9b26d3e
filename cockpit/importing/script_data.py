"""The rows that a script hands to its trainer -> sources of a recipe"""

from __future__ import annotations

import re
from typing import Any

from cockpit.importing.ledger import Ledger
from cockpit.importing.settings import Setting
from cockpit.importing.values import Rows, SourceRows, Unknown

HUB_FILE = re.compile(r"^https?://[^/]+/datasets/([\w.-]+/[\w.-]+)/(?:resolve|raw|blob)/[^/]+/(.+?)(?:\?.*)?$")
SOURCE_FIELDS = ("name_or_path", "subset", "file", "split", "format", "instruction", "max_rows")


def put_rows(ledger: Ledger, setting: Setting, rows: Rows, *, is_held_out: bool) -> None:
    """Make the rows the recipe's sources, or those that it measures on."""
    if is_held_out:
        _put_held_out(ledger, setting, rows)
        return
    for index, source in enumerate(rows.sources):
        own = Setting(f"load_dataset() in line {source.line}", str(source.fields.get("name_or_path")), source.line)
        _put_source(ledger, own, source, f"data.sources.{index}")
    for name, path in (("seed", "data.seed"), ("chat_template", "data.chat_template")):
        if name in rows.of_data and ledger.value(path) is None:
            ledger.put(Setting(f"{name} of the rows", rows.of_data[name], setting.line), path)
    for what, line, why in rows.lost:
        ledger.lose(Setting(f"{what} in line {line}", what, line), why)
    for what, line, why in rows.notes:
        ledger.note(Setting(f"{what} in line {line}", what, line), why)


def _put_source(ledger: Ledger, setting: Setting, source: SourceRows, field: str) -> None:
    fields: dict[str, Any] = dict(source.fields)
    if isinstance(fields.get("name_or_path"), Unknown):
        ledger.lose(setting, f"the program works out which dataset it is; name it in {field}.name_or_path")
        fields.pop("name_or_path")
        ledger.default({f"{field}.name_or_path": "rows.jsonl"})
    elif (found := HUB_FILE.match(str(fields.get("name_or_path")))) is not None:
        fields["name_or_path"], fields["file"] = found.groups()
    if isinstance(file := fields.get("file"), str) and (found := HUB_FILE.match(file)) is not None:
        fields["file"] = found[2]
    for name in SOURCE_FIELDS:
        if name in fields:
            ledger.put(setting, f"{field}.{name}", fields[name])
    if "ratio" in fields:
        ledger.put(setting, f"{field}.ratio", float(fields["ratio"]))
    for part, column in (fields.get("columns") or {}).items():
        if column:
            ledger.put(setting, f"{field}.columns.{part}", column)


def _put_held_out(ledger: Ledger, setting: Setting, rows: Rows) -> None:
    share = rows.of_data.get("eval_share")
    if isinstance(share, int | float) and not isinstance(share, bool):
        ledger.put(setting, "data.eval_share" if share < 1 else "data.eval_rows", share if share < 1 else int(share))
        return
    if len(rows.sources) != 1:
        ledger.lose(setting, "cockpit measures on one dataset (data.validation), or on rows held out (data.eval_rows)")
        return
    source = rows.sources[0]
    names = ("name_or_path", "subset", "file", "split", "max_rows")
    trained = ledger.value("data.sources.0") or {}
    is_split = trained.get("name_or_path") == source.fields.get("name_or_path")
    if is_split and trained.get("split", "train") == source.fields.get("split", "train"):
        ledger.lose(setting, "rows that are trained on cannot be measured on; give data.eval_rows")
        return
    for name in names:
        if name in source.fields and not (is_split and name != "split" and name != "max_rows"):
            ledger.put(setting, f"data.validation.{name}", source.fields[name])
