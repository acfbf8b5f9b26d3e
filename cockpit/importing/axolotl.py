"""Axolotl's YAML -> a recipe"""

from __future__ import annotations

import re
from typing import Any

from cockpit.importing.axolotl_data import put_datasets
from cockpit.importing.axolotl_rules import BY_PREFIX, RULES
from cockpit.importing.convert import as_bool
from cockpit.importing.gpus import processes, put_data_parallel
from cockpit.importing.ledger import Ledger
from cockpit.importing.methods import method
from cockpit.importing.rules import apply, apply_by_prefix, lose_the_rest
from cockpit.importing.settings import Setting, Settings
from cockpit.importing.trainer_rules import NOT_LORA

TOOL = "Axolotl"
DEFAULTS: dict[str, Any] = {
    "model.max_seq_length": 512,
    "model.quantization": "none",
    "training.per_device_train_batch_size": 1,
    "training.gradient_accumulation_steps": 1,
    "training.num_train_epochs": 1.0,
    "training.optim": "adamw_torch_fused",
    "training.lr_scheduler_type": "cosine",
    "training.weight_decay": 0.0,
    "training.gradient_checkpointing": "none",
    "training.seed": 42,
}


def is_axolotl(settings: Settings) -> bool:
    """Whether the settings are Axolotl's."""
    return "base_model" in settings


def from_axolotl(settings: Settings) -> Ledger:
    """What becomes of the file's settings. Raises RecipeError where it is no configuration of a training."""
    ledger = Ledger(settings.file, TOOL)
    if model := settings.get("base_model"):
        ledger.put(model, "model.name_or_path")
    trains = _method(settings, ledger)
    _adapter(settings, ledger)
    _targets(settings, ledger)
    put_datasets(settings, ledger, trains)
    _batches(settings, ledger)
    _padding(settings, ledger)
    put_data_parallel(settings, ledger, "dp_shard_size", "dp_replicate_size")
    if as_bool(settings.peek("use_ray")) is True and ledger.value("hardware.devices") is None:
        apply({"ray_num_workers": processes}, settings, ledger)
    apply(RULES, settings, ledger)
    apply_by_prefix(BY_PREFIX, settings, ledger)
    lose_the_rest(settings, ledger)
    ledger.default(DEFAULTS)
    if ledger.value("finetuning_type") == "lora" and ledger.value("model.adapter") is None:
        ledger.default({"lora.r": 8, "lora.lora_alpha": 16.0, "lora.lora_dropout": 0.0})
    return ledger


def _method(settings: Settings, ledger: Ledger) -> str:
    for name in ("reward_model", "process_reward_model"):
        if (setting := settings.get(name)) is not None and as_bool(setting.value) is True:
            return method(ledger, Setting(name, "reward model", setting.line))
    if (rl := settings.get("rl")) is not None and as_bool(rl.value) is not False:
        trains = method(ledger, rl)
        if rl.value == "ipo":
            ledger.put(rl, "dpo.loss_type", "ipo")
        return trains
    return "sft"


def _adapter(settings: Settings, ledger: Ledger) -> None:
    adapter = settings.get("adapter")
    four, eight = settings.get("load_in_4bit"), settings.get("load_in_8bit")
    kind = "" if adapter is None else str(adapter.value).lower()
    if adapter is not None and kind in ("lora", "qlora"):
        ledger.put(adapter, "finetuning_type", "lora")
    elif adapter is not None:
        ledger.lose(adapter, NOT_LORA)
        ledger.default({"finetuning_type": "lora"})
    else:
        ledger.default({"finetuning_type": "full"})
    for setting, quantization in ((four, "nf4"), (eight, "int8")):
        if setting is None:
            continue
        if as_bool(setting.value) is not True:
            ledger.note(setting, "see model.quantization")
        elif adapter is None:
            ledger.lose(setting, "weights that are all trained cannot be quantised")
        else:
            ledger.put(setting, "model.quantization", quantization)
    if kind == "qlora" and adapter is not None and ledger.value("model.quantization") is None:
        ledger.put(adapter, "model.quantization", "nf4")


def _targets(settings: Settings, ledger: Ledger) -> None:
    names, linear = settings.get("lora_target_modules"), settings.get("lora_target_linear")
    takes_all = linear is not None and as_bool(linear.value) is True
    if ledger.value("finetuning_type") == "full":
        for setting in filter(None, (names, linear)):
            ledger.note(setting, "every weight is trained")
        return
    if linear is not None and takes_all:
        ledger.put(linear, "lora.target_modules", "all-linear")
    elif linear is not None:
        ledger.note(linear, "the layers are named")
    if names is None:
        return
    if takes_all:
        ledger.note(names, "lora_target_linear takes every linear layer, and these with them")
    elif isinstance(names.value, str) and names.value not in ("all-linear",):
        ends = ends_of_pattern(names.value)
        if ends:
            ledger.put(names, "lora.target_modules", ends)
            if "vision" in names.value:
                ledger.put(names, "lora.finetune_vision_layers", True)
        else:
            ledger.lose(names, "cockpit names layers by the ends of their names, and by no pattern")
    else:
        ledger.put(names, "lora.target_modules")


def ends_of_pattern(pattern: str) -> list[str]:
    r"""The names of layers that a regular expression such as `layers.[\d]+.(mlp|self_attn).(up|q)_proj` ends with; none
    where it ends otherwise."""
    found = re.search(r"(?:^|\.)(?:\(([\w|]+)\))?(\w+)\$?$", pattern.replace("\\.", "."))
    if found is None:
        return []
    starts, end = found.groups()
    return [f"{start}{end}" for start in (starts or "").split("|")]


def _batches(settings: Settings, ledger: Ledger) -> None:
    whole = settings.get("batch_size")
    if whole is None:
        return
    micro = settings.peek("micro_batch_size", 1)
    counts = isinstance(whole.value, int) and isinstance(micro, int) and micro > 0
    if settings.peek("gradient_accumulation_steps") is None and counts and whole.value % micro == 0:
        ledger.put(whole, "training.gradient_accumulation_steps", whole.value // micro)
    else:
        ledger.note(whole, "micro_batch_size and gradient_accumulation_steps say it")


def _padding(settings: Settings, ledger: Ledger) -> None:
    packing, padding = settings.get("sample_packing"), settings.get("pad_to_sequence_len")
    if packing is not None:
        ledger.put(packing, "training.packing")
    if padding is None:
        return
    if as_bool(padding.value) is not True or ledger.value("training.packing"):
        ledger.note(padding, "packed rows have no padding" if ledger.value("training.packing") else "as here")
    else:
        ledger.put(padding, "training.pad_to_multiple_of", settings.peek("sequence_len", 512))
