"""Other tools' names of chat templates -> Unsloth's, which data.chat_template takes"""

from __future__ import annotations

from cockpit.importing.ledger import Ledger
from cockpit.importing.settings import Setting
from cockpit.models.template_names import MODELS_OWN, template_names

SAME = {
    "llama2": "llama",
    "llama3": "llama-3",
    "llama3_1": "llama-3.1",
    "llama3_2": "llama-3.2",
    "llama3_3": "llama-3.3",
    "gemma_chat": "gemma",
    "gemma2_chat": "gemma2",
    "gemma3": "gemma-3",
    "gemma3n": "gemma-3n",
    "gemma4": "gemma-4",
    "phi_3": "phi-3",
    "phi_35": "phi-3.5",
    "phi_4": "phi-4",
    "phi4": "phi-4",
    "qwen_25": "qwen-2.5",
    "qwen2_5": "qwen-2.5",
    "qwen2.5": "qwen-2.5",
    "qwen3": "qwen-3",
    "qwen3_nothink": "qwen3-instruct",
    "qwen3_thinking": "qwen3-thinking",
    "gpt": "gpt-oss",
    "gpt_oss": "gpt-oss",
    "chatml": "chatml",
    "vicuna": "vicuna",
    "alpaca": "alpaca",
    "zephyr": "zephyr",
    "mistral": "mistral",
    "yi": "yi-chat",
    "lfm2": "lfm-2",
}
"""Names that are spelt otherwise there, or that stand for the same format."""
OWN = ("tokenizer_default", "default", "model", "empty", "auto", "none", "")


def chat_template(ledger: Ledger, setting: Setting) -> None:
    """The template of that name, or the model's own where there is none: a model that was tuned to chat has the right
    one."""
    name = str(setting.value).strip()
    lowered = name.lower().replace("-", "_")
    if lowered.startswith("tokenizer_default_fallback_"):
        lowered = "tokenizer_default"
    if lowered in OWN:
        ledger.put(setting, "data.chat_template", MODELS_OWN)
        return
    found = SAME.get(lowered) or next((one for one in template_names() if one in (name, name.lower())), None)
    if found is not None:
        ledger.put(setting, "data.chat_template", found)
    else:
        ledger.note(setting, "there is no template of this name; data.chat_template: model takes the model's own")
