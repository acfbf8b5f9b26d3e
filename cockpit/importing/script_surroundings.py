"""What a script does beside training: its environment, its replies, what it saves -> fields of a recipe"""

from __future__ import annotations

import re
from typing import Any

from cockpit.importing.convert import as_bool, names_in
from cockpit.importing.gpus import put_gpus
from cockpit.importing.ledger import Ledger
from cockpit.importing.program import Program
from cockpit.importing.script_rules import SAMPLING
from cockpit.importing.settings import Setting, is_empty
from cockpit.importing.values import Call, Unknown
from cockpit.recipe.model import ALONE

SAVES = {
    "save_pretrained": "the adapter is saved with every run",
    "save_model": "the adapter is saved with every run",
    "save_pretrained_merged": "after the run: cockpit export RUN --as merged-16bit",
    "save_pretrained_gguf": "after the run: cockpit export RUN --as gguf:q8_0",
    "save_pretrained_torchao": "after the run: cockpit export RUN --as merged-16bit",
    "push_to_hub": "after the run: cockpit export RUN --as adapter --push OWNER/NAME",
    "push_to_hub_merged": "after the run: cockpit export RUN --as merged-16bit --push OWNER/NAME",
    "push_to_hub_gguf": "after the run: cockpit export RUN --as gguf:q8_0 --push OWNER/NAME",
    "merge_and_unload": "after the run: cockpit export RUN --as merged-16bit",
}
ENVIRONMENT = re.compile(r"^(?:os\.)?environ\[(\w+)\]$")
OFF_SWITCHES = ("UNSLOTH_COMPILE_DISABLE", "TORCHDYNAMO_DISABLE", "TORCH_COMPILE_DISABLE")
OF_TOKENIZER = re.compile(r"^(\w*tokenizer|processor|model\.config|model\.generation_config)\.(\w+)")
MOST_PRESETS = 8


def put_surroundings(program: Program, ledger: Ledger) -> None:
    """What the program sets by assignment, and what it saves."""
    spreads = any(not is_empty(call.keywords.get("device_map")) for call in program.calls)
    for name, (value, line) in program.set.items():
        setting = Setting(name, value if isinstance(value, int | float | str | bool) else str(value), line)
        if (found := ENVIRONMENT.match(name)) is not None:
            _put_variable(ledger, setting, found[1], spreads)
        elif name.endswith("dynamo.config.cache_size_limit"):
            ledger.put(setting, "hardware.dynamo_cache_size_limit")
        elif name.endswith("dynamo.config.accumulated_cache_size_limit"):
            ledger.put(setting, "hardware.dynamo_accumulated_cache_size_limit")
        elif name.endswith(("dynamo.config.disable", "dynamo.disable")) and as_bool(value) is True:
            ledger.put(setting, "hardware.compile", False)
        elif (found := OF_TOKENIZER.match(name)) is not None:
            why = "the template must be the model's own, or one of Unsloth's by name"
            if found[2] == "chat_template":
                ledger.lose(setting, why)
            else:
                ledger.note(setting, "tokens to pad with, and the cache, are seen to here")
    for call in program.calls:
        if call.last in SAVES:
            said = Setting(f"{call.last}() in line {call.line}", _arguments(call), call.line)
            ledger.note(said, SAVES[call.last])


def _put_variable(ledger: Ledger, setting: Setting, name: str, spreads: bool) -> None:
    if name == "CUDA_VISIBLE_DEVICES" and isinstance(setting.value, int | str):
        _put_gpus(ledger, setting, spreads)
    elif name in OFF_SWITCHES:
        ledger.put(setting, "hardware.compile", as_bool(setting.value) is not True)
    elif name in ("TENSORBOARD_LOGGING_DIR",):
        ledger.put(setting, "output.logging_dir")
    else:
        ledger.note(setting, "a recipe sets no environment: set it where cockpit is started")


def _put_gpus(ledger: Ledger, setting: Setting, spreads: bool) -> None:
    """transformers' trainer has rows on each GPU that it sees, unless the model `spreads` over them; Unsloth's has them
    on one."""
    several, method = len(names_in(str(setting.value))), ledger.value("method")
    if spreads or several < 2:
        put_gpus(ledger, setting, None)
    elif ledger.value("backend") != "transformers":
        put_gpus(ledger, setting, None, others="one process of Unsloth trains on the first; see hardware.devices")
    elif method in ALONE:
        others = f"{method} takes one GPU here; a step there has {several} times as many rows"
        put_gpus(ledger, setting, None, others=others)
    else:
        put_gpus(ledger, setting, Setting(setting.name, several, setting.line))


def _arguments(call: Call) -> str:
    named = [one for one in call.args if isinstance(one, str)]
    method = call.keywords.get("save_method") or call.keywords.get("quantization_method")
    return ", ".join([*named, *([str(method)] if isinstance(method, str) else [])])


def put_replies(program: Program, ledger: Ledger) -> None:
    """How replies are drawn after training, and what is asked first."""
    trained = next((at for at, call in enumerate(program.calls) if call.last == "train" and not call.args), None)
    presets: list[dict[str, Any]] = []
    thinks: bool | None = None
    for call in program.calls[trained or 0 :]:
        if call.last == "apply_chat_template":
            thinks = _thinking(call)
            _put_prompt(ledger, call)
        elif call.last in ("generate", "fast_generate") or call.last == "SamplingParams":
            _put_preset(ledger, call, presets, thinks)


def _thinking(call: Call) -> bool | None:
    value = call.keywords.get("enable_thinking")
    return value if isinstance(value, bool) else None


def _put_prompt(ledger: Ledger, call: Call) -> None:
    messages = call.args[0] if call.args else call.keywords.get("conversation")
    if ledger.value("chat.trial_prompt") is not None or not isinstance(messages, list):
        return
    asked = [one for one in messages if isinstance(one, dict) and one.get("role") == "user"]
    content = asked[-1].get("content") if asked else None
    if isinstance(content, list):
        parts = [one.get("text") for one in content if isinstance(one, dict) and one.get("type") == "text"]
        content = next((one for one in parts if isinstance(one, str)), None)
    if isinstance(content, str) and content.strip():
        setting = Setting(f"apply_chat_template() in line {call.line}", content, call.line)
        ledger.put(setting, "chat.trial_prompt", content)


def _put_preset(ledger: Ledger, call: Call, presets: list[dict[str, Any]], thinks: bool | None) -> None:
    given = {name: call.keywords[name] for name in SAMPLING if not is_empty(call.keywords.get(name))}
    given = {name: value for name, value in given.items() if not isinstance(value, Unknown)}
    said = {**given, **({"enable_thinking": thinks} if thinks is not None else {})}
    if not given or said in presets or len(presets) >= MOST_PRESETS:
        return
    presets.append(said)
    index = len(presets) - 1
    name = "reasoning" if thinks else "chat" if index == 0 else f"chat {index + 1}"
    field = f"chat.presets.{index}"
    for key, value in said.items():
        ledger.put(Setting(f"{call.last}({key}) in line {call.line}", value, call.line), f"{field}.{key}")
    ledger.default({f"{field}.name": name})
    ledger.defaults.pop(f"{field}.name", None)
