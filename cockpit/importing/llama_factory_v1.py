"""The YAML of LLaMA-Factory's second form (its v1) -> a recipe"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cockpit.importing.gpus import AS_STARTED, WHOLE_MODEL
from cockpit.importing.ledger import Ledger
from cockpit.importing.llama_factory import RULES as FIRST_FORM
from cockpit.importing.rules import Rule, apply, lose_the_rest, named, note, to
from cockpit.importing.settings import Setting, Settings, read_file, read_yaml, refused
from cockpit.importing.trainer_rules import NOT_LORA

TOOL = "LLaMA-Factory"
DEFAULTS: dict[str, Any] = {
    "model.quantization": "none",
    "training.per_device_train_batch_size": 1,
    "training.gradient_accumulation_steps": 1,
    "training.num_train_epochs": 3.0,
    "training.optim": "adamw_torch_fused",
    "training.weight_decay": 0.0,
    "training.gradient_checkpointing": "non_reentrant",
    "training.seed": 42,
}
FORMS = {"alpaca": "alpaca", "sharegpt": "sharegpt", "openai": "messages", "pair": "preference"}
SAMPLES = note("it is for answers after training: cockpit chat and cockpit smoke")
RULES: dict[str, Rule] = {
    **FIRST_FORM,
    "model": to("model.name_or_path"),
    "model_class": note("the class follows from the model's configuration"),
    "micro_batch_size": to("training.per_device_train_batch_size"),
    "peft_config.r": to("lora.r"),
    "peft_config.lora_alpha": to("lora.lora_alpha"),
    "peft_config.lora_dropout": to("lora.lora_dropout"),
    "peft_config.target_modules": to("lora.target_modules", lambda value: "all-linear" if value == "all" else value),
    "peft_config.adapter_name_or_path": to("model.adapter"),
    "kernel_config.name": note("Unsloth has kernels of its own, which compute the same"),
    "kernel_config.include_kernels": note("Unsloth has kernels of its own, which compute the same"),
    "quant_config.name": note("cockpit quantises by bitsandbytes"),
    "quant_config.quantization_bit": named(
        "model.quantization", {4: "nf4", 8: "int8"}, "cockpit holds weights in 16, 8 or 4 bits"
    ),
    "batching_strategy": named(
        "training.padding_free", {"normal": False, "padding_free": True}, "batches have a fixed number of rows"
    ),
    "sample_backend": SAMPLES,
    "max_new_tokens": SAMPLES,
    "init_config.name": note("how weights are loaded is the backend's own affair"),
}


def is_second_form(settings: Settings) -> bool:
    """Whether the settings, flattened, are of that form."""
    return "model" in settings and ("model_class" in settings or "train_dataset" in settings)


def from_second_form(settings: Settings, path: Path) -> Ledger:
    """What becomes of the file's settings, which are flattened. Raises RecipeError where it trains nothing."""
    ledger = Ledger(settings.file, TOOL)
    rows = settings.get("train_dataset")
    if rows is None:
        wrong = "it trains nothing (it has no train_dataset)"
        raise refused(settings.file, None, "train_dataset", wrong, "give the file that trains the model")
    _put_rows(ledger, rows, path)
    kind = settings.get("peft_config.name")
    if kind is not None and kind.value == "lora":
        ledger.put(kind, "finetuning_type", "lora")
    elif kind is not None:
        ledger.lose(kind, NOT_LORA)
    else:
        ledger.default({"finetuning_type": "full"})
    _rows_a_step(settings, ledger)
    apply(RULES, settings, ledger)
    for setting in settings.left():
        if setting.name.startswith("dist_config"):
            settings.get(setting.name)
            ledger.lose(setting, WHOLE_MODEL if "global_batch_size" in settings else AS_STARTED)
    lose_the_rest(settings, ledger)
    ledger.default(DEFAULTS)
    return ledger


def _rows_a_step(settings: Settings, ledger: Ledger) -> None:
    """global_batch_size: rows a step in all."""
    whole, micro = settings.get("global_batch_size"), settings.peek("micro_batch_size", 1)
    if whole is None:
        return
    if isinstance(whole.value, int) and isinstance(micro, int) and micro > 0 and whole.value % micro == 0:
        ledger.put(whole, "training.gradient_accumulation_steps", whole.value // micro)
    else:
        ledger.lose(whole, "it is no multiple of micro_batch_size; give training.gradient_accumulation_steps")


def _put_rows(ledger: Ledger, setting: Setting, path: Path) -> None:
    """The datasets of the YAML that train_dataset names; the file itself where it is none."""
    place = str(setting.value)
    if Path(place).suffix not in (".yaml", ".yml"):
        ledger.put(setting, "data.sources.0.name_or_path", place)
        return
    found = next((one / place for one in (Path.cwd(), *path.absolute().parents) if (one / place).is_file()), None)
    if found is None:
        ledger.lose(setting, "there is no such file here; name the rows as data.sources")
        return
    for index, entry in enumerate(read_yaml(read_file(found, str(found)), str(found))):
        field = f"data.sources.{index}"
        values = entry.value if isinstance(entry.value, dict) else {}
        own = Setting(f"{setting.name} {entry.name}", entry.name, setting.line)
        rows = str(values.get("path", entry.name))
        is_here = values.get("source") == "local" and (found.parents[1] / rows).is_file()
        ledger.put(own, f"{field}.name_or_path", str(found.parents[1] / rows) if is_here else rows)
        for name, ours in (("split", "split"), ("size", "max_rows")):
            if name in values:
                ledger.put(own, f"{field}.{ours}", values[name])
        if values.get("converter") in FORMS:
            ledger.put(own, f"{field}.format", FORMS[values["converter"]])
        rest = sorted(set(values) - {"path", "source", "split", "size", "converter"})
        if rest:
            more = Setting(f"{own.name}: {', '.join(rest)}", rest, setting.line)
            ledger.lose(more, "cockpit has no such setting of a source")
