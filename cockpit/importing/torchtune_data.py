"""The datasets of torchtune's YAML -> a source of the recipe"""

from __future__ import annotations

from typing import Any

from cockpit.importing.convert import as_bool
from cockpit.importing.ledger import Ledger
from cockpit.importing.rules import Rule, lost, note, to
from cockpit.importing.settings import Setting, Settings

FIELD = "data.sources.0"
BUILT_IN: dict[str, dict[str, Any]] = {
    "alpaca_dataset": {"name_or_path": "tatsu-lab/alpaca", "format": "alpaca"},
    "alpaca_cleaned_dataset": {"name_or_path": "yahma/alpaca-cleaned", "format": "alpaca"},
    "samsum_dataset": {"name_or_path": "Samsung/samsum", "format": "prompt_completion", "prompt": "dialogue",
                       "completion": "summary"},
    "grammar_dataset": {"name_or_path": "liweili/c4_200m", "format": "prompt_completion", "prompt": "input",
                        "completion": "output"},
    "slimorca_dataset": {"name_or_path": "Open-Orca/SlimOrca-Dedup", "format": "sharegpt"},
    "wikitext_dataset": {"name_or_path": "EleutherAI/wikitext_document_level", "format": "text", "text": "page",
                         "subset": "wikitext-103-raw-v1"},
    "cnn_dailymail_articles_dataset": {"name_or_path": "ccdv/cnn_dailymail", "format": "text", "text": "article",
                                       "subset": "3.0.0"},
    "stack_exchange_paired_dataset": {"name_or_path": "lvwerra/stack-exchange-paired"},
    "the_cauldron_dataset": {"name_or_path": "HuggingFaceM4/the_cauldron"},
    "hh_rlhf_helpful_dataset": {"name_or_path": "RLHFlow/HH-RLHF-Helpful-standard"},
}  # fmt: skip
"""Datasets that have a component of their own, by its name."""
STYLES = {"sharegpt": "sharegpt", "openai": "messages"}
OF_COLUMNS = {"input": "prompt", "instruction": "prompt", "dialogue": "prompt", "output": "completion",
              "conversations": "messages", "messages": "messages", "text": "text"}  # fmt: skip


def put_dataset(settings: Settings, ledger: Ledger, trains: str) -> None:
    """Make `dataset` the recipe's source, or the several that it lists. `trains`: the recipe's method."""
    several = settings.get("dataset")
    if several is not None:
        ledger.lose(several, "it is no section with a _component_")
    if (component := settings.get("dataset._component_")) is not None:
        _component(ledger, component, str(component.value).rpartition(".")[2], trains)
    rules = _rules()
    for name, rule in rules.items():
        if (setting := settings.get(f"dataset.{name}")) is not None:
            rule(ledger, setting)
    for setting in [one for one in settings.left() if one.name.startswith("dataset.")]:
        settings.get(setting.name)
        if setting.name.startswith("dataset.column_map."):
            part = OF_COLUMNS.get(setting.name.removeprefix("dataset.column_map."))
            if part is not None:
                ledger.put(setting, f"{FIELD}.columns.{part}")
                continue
        ledger.lose(setting, "cockpit has no such setting of a source")


def _component(ledger: Ledger, setting: Setting, name: str, trains: str) -> None:
    known = BUILT_IN.get(name)
    if known is not None:
        for key, value in known.items():
            is_column = key in ("prompt", "completion", "text")
            if key != "format" or trains in ("sft", "pretraining"):
                ledger.put(setting, f"{FIELD}.columns.{key}" if is_column else f"{FIELD}.{key}", value)
        if name.startswith("alpaca"):
            ledger.default({"data.train_on": "all"})
            words = Setting(f"{setting.name} (its words)", "Below is an instruction ...", setting.line)
            ledger.lose(words, "the words around the question are those of data.chat_template")
    elif name == "text_completion_dataset":
        ledger.put(setting, f"{FIELD}.format", "text")
    elif name == "instruct_dataset":
        ledger.put(setting, f"{FIELD}.format", "prompt_completion")
    elif name in ("chat_dataset", "multimodal_chat_dataset", "preference_dataset", "vqa_dataset"):
        ledger.note(setting, "the form of the rows is told by their columns, or by conversation_style")
    else:
        ledger.lose(setting, "the dataset is not known here; name it as data.sources.0.name_or_path")


def _rules() -> dict[str, Rule]:
    return {
        "source": _source,
        "packed": to("training.packing"),
        "split": to(f"{FIELD}.split"),
        "subset": to(f"{FIELD}.subset"),
        "name": to(f"{FIELD}.subset"),
        "data_files": _files,
        "column": to(f"{FIELD}.columns.text"),
        "conversation_column": to(f"{FIELD}.columns.messages"),
        "conversation_style": _style,
        "train_on_input": to("data.train_on", lambda value: "all" if as_bool(value) is True else "answers"),
        "max_seq_len": to("training.max_length"),
        "new_system_prompt": lost("a system's turn stands in the rows (data.sources.columns.system)"),
        "add_eos": note("a text is closed by the token that ends it"),
        "image_tag": note("images are found in the turns"),
        "image_dir": lost("images are looked for beside the file of the rows"),
        "split_across_pack": lost("a packed row is never split"),
    }


def _source(ledger: Ledger, setting: Setting) -> None:
    if setting.value in ("json", "csv", "text", "parquet"):
        ledger.note(setting, "the kind of a file is told by its ending")
    else:
        ledger.put(setting, f"{FIELD}.name_or_path")


def _files(ledger: Ledger, setting: Setting) -> None:
    files = setting.value if isinstance(setting.value, list) else [setting.value]
    if len(files) != 1:
        ledger.lose(setting, "a source has one file; give each file a source of its own")
    elif ledger.value(f"{FIELD}.name_or_path") is None:
        ledger.put(setting, f"{FIELD}.name_or_path", str(files[0]))
    else:
        ledger.put(setting, f"{FIELD}.file", str(files[0]))


def _style(ledger: Ledger, setting: Setting) -> None:
    known = STYLES.get(str(setting.value))
    if known is None:
        ledger.lose(setting, "turns are read by role and content, or by from and value")
    else:
        ledger.put(setting, f"{FIELD}.format", known)
