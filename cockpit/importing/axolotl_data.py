"""The datasets of Axolotl's YAML -> sources of a recipe"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from cockpit.importing.ledger import Ledger
from cockpit.importing.rules import Rule, lost, lost_unless, note, to
from cockpit.importing.settings import Setting, Settings, is_empty
from cockpit.importing.templates import chat_template

ALPACA_WORDS = ("alpaca", "alpaca_chat", "gpteacher", "alpaca_w_system")
QUESTIONS: dict[str, dict[str, str]] = {
    "jeopardy": {"prompt": "question", "completion": "answer"},
    "alpaca_chat.load_qa": {"prompt": "question", "completion": "answer"},
    "alpaca_w_system.load_open_orca": {"prompt": "question", "completion": "response", "system": "system_prompt"},
    "context_qa": {"prompt": "question", "input": "article", "completion": "answer"},
    "context_qa.load_v2": {"prompt": "question", "input": "context", "completion": "answer"},
    "summarizetldr": {"prompt": "article", "completion": "summary"},
    "alpaca_chat.load_camel_ai": {"prompt": "message_1", "completion": "message_2"},
    "oasst": {"prompt": "INSTRUCTION", "completion": "RESPONSE"},
}
"""Types of rows with one question and one answer, by the columns that they are read from."""
CONVERSATIONS = ("chat_template", "sharegpt", "chatml", "llama3", "chat")
TEXTS = ("completion", "pretrain")
LISTS = ("datasets", "pretraining_dataset", "test_datasets")
FOLLOWS_TEMPLATE = "it follows from the chat template"


def put_datasets(settings: Settings, ledger: Ledger, trains: str) -> None:
    """Make the datasets sources, those for tests the rows to validate on. Each key of an entry is a setting of its own,
    such as datasets.0.type. `trains`: the recipe's method."""
    index = 0
    for name in ("datasets", "pretraining_dataset"):
        if (setting := settings.get(name)) is None:
            continue
        for number, entry in enumerate(_entries(setting)):
            _put(ledger, entry, setting, f"{name}.{number}", f"data.sources.{index}", trains)
            if name == "pretraining_dataset":
                ledger.default({"method": "pretraining", f"data.sources.{index}.format": "text"})
            index += 1
    if (measured := settings.get("test_datasets")) is not None:
        entries = _entries(measured)
        if len(entries) == 1:
            _put(ledger, entries[0], measured, "test_datasets.0", "data.validation", trains)
        else:
            ledger.lose(measured, "cockpit measures on one dataset (data.validation)")
    if (share := settings.get("val_set_size")) is not None:
        if share.value in (0, 0.0):
            ledger.note(share, "no rows are held out, as here")
        else:
            is_share = isinstance(share.value, float) and share.value < 1
            ledger.put(share, "data.eval_share" if is_share else "data.eval_rows")


def _entries(setting: Setting) -> list[dict[str, Any]]:
    values = setting.value if isinstance(setting.value, list) else [setting.value]
    return [one if isinstance(one, dict) else {"path": str(one)} for one in values]


def _put(ledger: Ledger, entry: dict[str, Any], around: Setting, name: str, field: str, trains: str) -> None:
    settings = {key: Setting(f"{name}.{key}", value, around.line) for key, value in entry.items()}
    for key in ("path", "type"):
        if key in settings and not is_empty(settings[key].value):
            if key == "path":
                _path(ledger, settings.pop(key), field)
            elif trains in ("sft", "pretraining"):
                _type(ledger, settings.pop(key), field)
            else:
                _judged_type(ledger, settings.pop(key), field)
    rules = _rules(field)
    for key, setting in settings.items():
        if not is_empty(setting.value):
            rules.get(key, lost("cockpit has no such setting of a source"))(ledger, setting)


def _path(ledger: Ledger, setting: Setting, field: str) -> None:
    ledger.put(setting, f"{field}.name_or_path")


def _type(ledger: Ledger, setting: Setting, field: str) -> None:
    if isinstance(setting.value, dict):
        _own_type(ledger, setting, field)
        return
    name = str(setting.value)
    kind, _, variant = name.partition(".")
    if name in QUESTIONS:
        ledger.put(setting, f"{field}.format", "prompt_completion")
        for part, column in QUESTIONS[name].items():
            ledger.put(setting, f"{field}.columns.{part}", column)
    elif kind in TEXTS:
        ledger.put(setting, f"{field}.format", "text")
    elif kind in ALPACA_WORDS and not variant:
        ledger.put(setting, f"{field}.format", "alpaca")
        if ledger.value("data.chat_template") is None:
            ledger.put(setting, "data.chat_template", "alpaca")  # the words that Axolotl puts around them
    elif kind in CONVERSATIONS or name.startswith("bradley_terry"):
        form = "sharegpt" if kind == "sharegpt" else "auto"
        ledger.put(setting, f"{field}.format", form)
    else:
        ledger.lose(setting, "the form of the rows is told by their columns (format: auto)")


def _judged_type(ledger: Ledger, setting: Setting, field: str) -> None:
    """A type of preference rows: told by their columns, where it names none of its own."""
    parts = {"field_prompt": "prompt", "field_chosen": "chosen", "field_rejected": "rejected", "field_label": "label"}
    if not isinstance(setting.value, dict):
        ledger.note(setting, "the form of preference rows is told by their columns")
        return
    for key, value in setting.value.items():
        if key in parts and isinstance(value, str):
            ledger.put(setting, f"{field}.columns.{parts[key]}", value)
        elif not is_empty(value):
            own = Setting(f"{setting.name}.{key}", value, setting.line)
            ledger.lose(own, "the words around question and answer are those of the chat template")


def _own_type(ledger: Ledger, setting: Setting, field: str) -> None:
    """A type of the file's own: which columns play which part, and the words around them, which the template gives."""
    parts = {"field_instruction": "prompt", "field_input": "input", "field_output": "completion",
             "field_system": "system"}  # fmt: skip
    ledger.put(setting, f"{field}.format", "prompt_completion")
    for key, value in setting.value.items():
        if key in parts and isinstance(value, str):
            ledger.put(setting, f"{field}.columns.{parts[key]}", value)
        elif not is_empty(value):
            own = Setting(f"{setting.name}.{key}", value, setting.line)
            ledger.lose(own, "the words around question and answer are those of the chat template")


def _rules(field: str) -> dict[str, Rule]:
    def columns(part: str) -> Rule:
        return to(f"{field}.columns.{part}")

    return {
        "name": to(f"{field}.subset"),
        "split": to(f"{field}.split"),
        "train_on_split": to(f"{field}.split"),
        "data_files": lambda ledger, setting: _files(ledger, setting, field),
        "ds_type": note("the kind of a file is told by its ending"),
        "revision": lost("the newest rows of a Hub dataset are taken"),
        "trust_remote_code": lost("no code of a dataset is run"),
        "shards": lost("see max_rows of a source"),
        "skip": lost("rows are read from the first one on"),
        "field_messages": columns("messages"),
        "field_system": columns("system"),
        "field_tools": columns("tools"),
        "field_instruction": columns("prompt"),
        "field_input": columns("input"),
        "field_output": columns("completion"),
        "field_chosen": columns("chosen"),
        "field_rejected": columns("rejected"),
        "field_label": columns("label"),
        "field": columns("text"),
        "text_column": columns("text"),
        "message_property_mappings": lambda ledger, setting: _mappings(ledger, setting, field),
        "message_field_role": note("turns are read by role and content, and by from and value"),
        "message_field_content": note("turns are read by role and content, and by from and value"),
        "roles": _roles,
        "roles_to_train": lost_unless((["assistant"], ["gpt"]), "the answers are learnt, or all (data.train_on)"),
        "train_on_eos": lost_unless(("turn", "all"), "the end of each answer is learnt"),
        "train_on_eot": note("the end of each answer is learnt"),
        "train_on_inputs": to("data.train_on", lambda value: "all" if value else "answers"),
        "chat_template": chat_template,
        "conversation": chat_template,
        "chat_template_jinja": lost("the template must be the model's own, or one of Unsloth's by name"),
        "field_thinking": note(FOLLOWS_TEMPLATE),
        "template_thinking_key": note(FOLLOWS_TEMPLATE),
        "eot_tokens": note("the end of a turn follows from the chat template"),
        "drop_system_message": lost("a system's turn is kept"),
        "format": lost("the words around question and answer are those of the chat template"),
        "no_input_format": lost("the words around question and answer are those of the chat template"),
        "preprocess_shards": note("rows are tokenized by as many processes as there are cores"),
    }


def _files(ledger: Ledger, setting: Setting, field: str) -> None:
    """One file of the dataset, or of a folder."""
    files = setting.value if isinstance(setting.value, list) else [setting.value]
    if len(files) != 1 or not isinstance(files[0], str):
        ledger.lose(setting, "a source has one file; give each file a source of its own")
        return
    place = ledger.value(f"{field}.name_or_path")
    if place in ("json", "csv", "parquet", "text") or PurePath(files[0]).is_absolute() or str(place).startswith("."):
        ledger.put(setting, f"{field}.name_or_path", files[0])
    else:
        ledger.put(setting, f"{field}.file", files[0])


def _mappings(ledger: Ledger, setting: Setting, field: str) -> None:
    names = setting.value if isinstance(setting.value, dict) else {}
    keys = (names.get("role", "role"), names.get("content", "content"))
    others = set(names) - {"role", "content"}
    if keys == ("role", "content") and not others:
        ledger.put(setting, f"{field}.format", "messages")
    elif keys == ("from", "value") and not others:
        ledger.put(setting, f"{field}.format", "sharegpt")
    else:
        ledger.lose(setting, "turns are read by role and content, or by from and value")


def _roles(ledger: Ledger, setting: Setting) -> None:
    usual = ("human", "user", "gpt", "assistant", "model", "system", "tool", "function_call", "observation")
    if not isinstance(setting.value, dict):
        ledger.lose(setting, "it is no mapping of roles")
        return
    others = {str(name): role for role, names in setting.value.items()
              for name in (names if isinstance(names, list) else [names]) if str(name) not in usual}  # fmt: skip
    if not others:
        ledger.note(setting, "these names are known")
    for name, role in others.items():
        ledger.put(setting, f"data.roles.{name}", role)
