"""The YAML of Unsloth's command line (unsloth train --config) -> a recipe"""

from __future__ import annotations

from typing import Any

from cockpit.importing.convert import as_bool
from cockpit.importing.ledger import Ledger
from cockpit.importing.rules import Rule, apply, lose_the_rest, named, note, on, to
from cockpit.importing.script_rules import checkpointing
from cockpit.importing.settings import Setting, Settings
from cockpit.importing.trainer_rules import OWN_FOLDER, max_steps

TOOL = "Unsloth's command line"
SECTIONS = ("data", "training", "lora", "logging")
DEFAULTS: dict[str, Any] = {
    "model.quantization": "nf4",
    "training.num_train_epochs": 3.0,
    "training.warmup_steps": 5,
    "lora.r": 64,
    "data.train_on": "all",
}
FORMS = {"auto": "auto", "alpaca": "alpaca", "sharegpt": "sharegpt", "chatml": "messages", "conversational": "messages",
         "raw": "text"}  # fmt: skip
SECRET = note("it stands in no recipe: log in beforehand")


def _tracker(name: str) -> Rule:
    def rule(ledger: Ledger, setting: Setting) -> None:
        ledger.put(setting, "output.report_to", [*(ledger.value("output.report_to") or []), name])

    return on(rule, note("none is used"))


def _steps(ledger: Ledger, setting: Setting) -> None:
    if setting.value in (0, None):
        ledger.note(setting, "none are asked for, as where it is empty")
    else:
        ledger.put(setting, "output.save_steps")


def _loftq(ledger: Ledger, setting: Setting) -> None:
    ledger.put(setting, "lora.loftq_config", {"loftq_bits": 4})


RULES: dict[str, Rule] = {
    "model": to("model.name_or_path"),
    "data.dataset": to("data.sources.0.name_or_path"),
    "data.format_type": named("data.sources.0.format", FORMS, "the form of the rows is told by their columns"),
    "training.training_type": to("finetuning_type"),
    "training.max_seq_length": to("model.max_seq_length"),
    "training.load_in_4bit": to("model.quantization", lambda value: "nf4" if as_bool(value) is True else "none"),
    "training.output_dir": note(OWN_FOLDER),
    "training.num_epochs": to("training.num_train_epochs"),
    "training.learning_rate": to("training.learning_rate"),
    "training.batch_size": to("training.per_device_train_batch_size"),
    "training.gradient_accumulation_steps": to("training.gradient_accumulation_steps"),
    "training.warmup_steps": to("training.warmup_steps"),
    "training.max_steps": max_steps,
    "training.save_steps": _steps,
    "training.weight_decay": to("training.weight_decay"),
    "training.random_seed": to("training.seed"),
    "training.packing": to("training.packing"),
    "training.train_on_completions": to("data.train_on", lambda value: "answers" if as_bool(value) is True else "all"),
    "training.gradient_checkpointing": checkpointing,
    "lora.lora_r": to("lora.r"),
    "lora.lora_alpha": to("lora.lora_alpha"),
    "lora.lora_dropout": to("lora.lora_dropout"),
    "lora.target_modules": to("lora.target_modules"),
    "lora.vision_all_linear": on(to("lora.target_modules", lambda _: "all-linear"), note("the layers are named")),
    "lora.use_rslora": to("lora.use_rslora"),
    "lora.use_loftq": on(_loftq, note("the adapter starts as PEFT's usual one")),
    "lora.use_dora": to("lora.use_dora"),
    "lora.finetune_vision_layers": to("lora.finetune_vision_layers"),
    "lora.finetune_language_layers": to("lora.finetune_language_layers"),
    "lora.finetune_attention_modules": to("lora.finetune_attention_modules"),
    "lora.finetune_mlp_modules": to("lora.finetune_mlp_modules"),
    "logging.enable_wandb": _tracker("wandb"),
    "logging.wandb_project": note("the tracker takes its settings from the environment, such as WANDB_PROJECT"),
    "logging.wandb_token": SECRET,
    "logging.enable_tensorboard": _tracker("tensorboard"),
    "logging.tensorboard_dir": to("output.logging_dir"),
    "logging.hf_token": SECRET,
}


def is_unsloth_cli(settings: Settings) -> bool:
    """Whether the settings, flattened, are those of Unsloth's command line."""
    known = [one for one in settings if one.name in RULES and "." in one.name]
    return "model" in settings and len(known) >= 2 and not any("_component_" in one.name for one in settings)


def from_unsloth_cli(settings: Settings) -> Ledger:
    """What becomes of the file's settings, which are flattened."""
    ledger = Ledger(settings.file, TOOL)
    if (files := settings.get("data.local_dataset")) is not None:
        for index, file in enumerate(files.value if isinstance(files.value, list) else [files.value]):
            ledger.put(files, f"data.sources.{index}.name_or_path", str(file))
    apply(RULES, settings, ledger)
    lose_the_rest(settings, ledger)
    ledger.default(DEFAULTS)
    return ledger
