"""The configuration that PEFT keeps with an adapter -> a recipe for another one like it"""

from __future__ import annotations

from typing import Any

from cockpit.importing.ledger import Ledger
from cockpit.importing.rules import Rule, apply, lose_the_rest, lost, lost_unless, note, to
from cockpit.importing.script_rules import ADAPTER
from cockpit.importing.settings import Setting, Settings, refused

TOOL = "PEFT"
DEFAULTS: dict[str, Any] = {"lora.r": 8, "lora.lora_alpha": 8, "model.quantization": "none"}


def _only_unset(why: str) -> Rule:
    return lost_unless((False,), why)


def _loftq(ledger: Ledger, setting: Setting) -> None:
    known = {"loftq_bits", "loftq_iter"}
    if isinstance(setting.value, dict) and set(setting.value) <= known:
        ledger.put(setting, "lora.loftq_config")
    else:
        ledger.lose(setting, "of these cockpit has loftq_bits and loftq_iter")


RULES: dict[str, Rule] = {
    **ADAPTER,
    "base_model_name_or_path": to("model.name_or_path"),
    "revision": to("model.revision"),
    "peft_type": note("it is LoRA, as here"),
    "peft_version": note("the installed PEFT is used"),
    "auto_mapping": note("the class follows from the model's configuration"),
    "loftq_config": _loftq,
    "eva_config": lost("the adapter starts as PEFT's usual one, or by lora.loftq_config"),
    "corda_config": lost("the adapter starts as PEFT's usual one, or by lora.loftq_config"),
    "exclude_modules": lost("cockpit names the layers that are adapted"),
    "layer_replication": lost("cockpit has no such variant of training"),
    "megatron_config": lost("cockpit has no such variant of training"),
    "megatron_core": note("it is for Megatron"),
    "trainable_token_indices": lost("new tokens are model.add_tokens"),
    "lora_bias": _only_unset("the adapter has no biases of its own"),
    "use_qalora": _only_unset("cockpit has no such variant of training"),
    "qalora_group_size": note("it is for use_qalora"),
    "arrow_config": lost("cockpit has no such variant of training"),
    "alora_invocation_tokens": lost("cockpit has no such variant of training"),
    "runtime_config": note("how it runs is PEFT's own affair"),
    "use_bdlora": lost("cockpit has no such variant of training"),
    "lora_ga_config": lost("the adapter starts as PEFT's usual one, or by lora.loftq_config"),
}


def is_peft(settings: Settings) -> bool:
    """Whether the settings are those of an adapter."""
    return "peft_type" in settings


def from_peft(settings: Settings) -> Ledger:
    """What becomes of the file's settings. Raises RecipeError for adapters that are not LoRA."""
    ledger = Ledger(settings.file, TOOL)
    kind = settings.peek("peft_type")
    if kind != "LORA":
        wrong = f"cockpit trains adapters of the kind LORA, and this is {kind}"
        raise refused(settings.file, None, "peft_type", wrong, "give a LoRA adapter's adapter_config.json")
    apply(RULES, settings, ledger)
    lose_the_rest(settings, ledger)
    ledger.default(DEFAULTS)
    return ledger
