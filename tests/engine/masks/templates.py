"""Every chat template that the installed trl and unsloth have, and by hand: what opens an answer in it and closes it"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.engine.compat.unsloth_templates import named_templates
from cockpit.engine.model.template_by_name import with_named_template
from tests.engine import tiny

EOS = "{eos}"
"""The tokenizer's own end of text."""
_SPECIAL = re.compile(r"<[|｜][^<>\s]{1,40}[|｜]>|<[|｜]?[a-z_]{2,30}[|｜]?>|</s>|\[/?(?:INST|TOOL_CALLS)\]")


@dataclass(frozen=True)
class Speech:
    """`heads`: texts after which the model speaks, the last of them that stands before it. `ends`: what closes its
    words inside a conversation; `last`, at the end of one, and `calls`, after calls, where these differ. The first that
    is found counts; an empty one says that nothing closes them."""

    heads: tuple[str, ...]
    ends: tuple[str, ...]
    last: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    bare: str = ""
    """What an answer without words consists of, where no end follows that would tell it."""


CHATML = Speech(("<|im_start|>assistant\n",), ("<|im_end|>",))
DEEPSEEK = "<｜end▁of▁sentence｜>"
SPEECH: list[tuple[str, Speech]] = [
    ("trl/nemotron.*", Speech(("<|im_start|>assistant\n<think>",), ("<|im_end|>",))),
    (
        "trl/qwen3_8.*|trl/qwen3_(5_nothink|5_think|6)_training",
        Speech(("<|im_start|>assistant\n<think>\n",), ("<|im_end|>",)),
    ),
    ("own|trl/(qwen|lfm).*|unsloth/(qwen.*|lfm.*|chatml|gemma2_chatml|yi-chat)", CHATML),
    (
        "trl/deepseek.*",
        Speech(
            ("<｜Assistant｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁end｜>", ""),
            (DEEPSEEK,),
            calls=(f"<｜tool▁calls▁end｜>{DEEPSEEK}", "<｜tool▁call▁end｜>"),
        ),
    ),
    (
        "trl/(gemma4|diffusion_gemma).*|unsloth/gemma-4.*",
        Speech(
            ("<|turn>model\n", "<tool_response|>", "<turn|>\n", ""),
            ("<turn|>", ""),
            calls=("<tool_call|><|tool_response>", "<tool_call|><turn|>"),
        ),
    ),
    ("(trl|unsloth)/gemma.*", Speech(("<start_of_turn>model\n",), ("<end_of_turn>",))),
    (
        "trl/gptoss.*|unsloth/gpt-oss",
        Speech(("<|start|>assistant",), ("<|end|>",), last=("<|return|>",), calls=("<|call|>",)),
    ),
    ("trl/glm4moe", Speech(("<|assistant|>",), ("",), calls=("</tool_call>",), bare="\n<think></think>")),
    (
        "trl/glm4moe_training",
        Speech(("<|assistant|>",), ("<|user|>", "<|system|>"), calls=("</tool_call><|observation|>",)),
    ),
    ("trl/cohere2.*", Speech(("<|CHATBOT_TOKEN|><|START_RESPONSE|>",), ("<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",))),
    ("trl/cohere.*", Speech(("<|CHATBOT_TOKEN|>",), ("<|END_OF_TURN_TOKEN|>",))),
    (
        "(trl|unsloth)/llama-?3.*",
        Speech(
            ("<|start_header_id|>assistant<|end_header_id|>\n\n",), ("<|eot_id|>",), calls=("<|eot_id|>", "<|eom_id|>")
        ),
    ),
    ("trl/phi3.*", Speech(("<|assistant|>\n",), ("<|end|>",), last=(f"<|end|>\n{EOS}",))),
    ("unsloth/phi-3", Speech(("<|assistant|>\n",), ("<|end|>",))),
    ("unsloth/phi-4", Speech(("<|im_start|>assistant<|im_sep|>",), ("<|im_end|>",))),
    ("trl/(idefics3|smolvlm).*", Speech(("Assistant:",), ("<end_of_utterance>",))),
    ("trl/llava_next.*", Speech((" [/INST]", "</s>"), ("</s>",))),
    ("trl/muse_glimmer.*", Speech(("<|start|>assistant",), ("<|eot|>",))),
    ("unsloth/mistral|unsloth/llama", Speech((" [/INST]", EOS), (EOS,))),
    ("unsloth/zephyr", Speech(("<|assistant|>\n",), (EOS,))),
    ("unsloth/vicuna", Speech(("ASSISTANT:",), (EOS,))),
    ("unsloth/vicuna old", Speech(("### Assistant:",), (EOS,))),
    ("unsloth/unsloth", Speech((">>> Assistant:",), (EOS,))),
    ("unsloth/alpaca", Speech(("### Response:\n",), (EOS,))),
    ("unsloth/starling", Speech(("GPT4 Correct Assistant:",), ("<|end_of_turn|>",))),
]


def speech_of(name: str) -> Speech:
    """Of the template `name`. Raises KeyError for one that nobody has written down."""
    for pattern, speech in SPEECH:
        if re.fullmatch(pattern, name):
            return speech
    raise KeyError(name)


def all_templates() -> dict[str, str]:
    """The text of each template by name, such as trl/qwen3 and unsloth/phi-4; of several names for one, the first."""
    spec = importlib.util.find_spec("trl")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "chat_templates"
    found = {f"trl/{path.stem}": path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.jinja"))}
    for name, template in sorted(named_templates().items()):
        if template.text not in found.values():
            found[f"unsloth/{name}"] = template.text
    return found


def tokenizer_for(name: str, template: str, tokenizer: Any = None) -> Any:
    """A tokenizer with the template `name`; its special tokens are added. A tiny one where none is given."""
    tokenizer = tokenizer if tokenizer is not None else tiny.make_tokenizer(None, bos="<s>")
    tokenizer.add_special_tokens(
        {"additional_special_tokens": sorted(set(_SPECIAL.findall(template)))}, replace_extra_special_tokens=False
    )
    if name.startswith("unsloth/"):
        return with_named_template(tokenizer, name.removeprefix("unsloth/"), "transformers")
    tokenizer.chat_template = template
    return tokenizer
