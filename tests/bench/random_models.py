"""Models of real architectures and sizes with random weights: speed and memory do not depend on the values.

usage: python -m tests.bench.random_models FOLDER NAME...     write FOLDER/NAME
       python -m tests.bench.random_models --list
A name with -tiny is for the CPU; one with @4 behind it has only four layers. The shapes are those of the families'
public configurations. Tokenizers are small ones trained here, with the family's special tokens and the chat template
of the same name in the installed Unsloth.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.split_experts import save_in_four_bits

WORDS = (
    "the a of to and in is that for it with as on be at by this have from or one had not but what all were when we "
    "there can an your which their said if do will each about how up out them then she many some so these would "
    "other into has more her two like him see time could no make than first been its who now people my made over "
    "did down"
)
ROLE_NAMES = "user\nmodel\nassistant\nsystem\ntool\n"
VOCABULARY = 2000


@dataclass(frozen=True)
class Family:
    """What models of one maker share: special tokens, their roles, and the name of Unsloth's template text."""

    template: str
    specials: tuple[str, ...]
    roles: dict[str, str]
    extra: dict[str, str] = field(default_factory=dict)


GEMMA_3 = Family(
    "gemma3_template",
    ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>",
     "<start_of_image>", "<end_of_image>", "<image_soft_token>"),
    {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"},
    {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"},
)  # fmt: skip
GEMMA_4 = Family(
    "gemma4_template",
    ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|turn>", "<turn|>", "<|channel>", "<channel|>", "<|think|>",
     "<|image|>", "<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>"),
    {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"},
)  # fmt: skip
QWEN_3 = Family(
    "qwen3_template",
    ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_pad|>", "<|vision_start|>", "<|vision_end|>",
     "<|image_pad|>", "<|video_pad|>", "<think>", "</think>", "<tool_call>", "</tool_call>",
     "<tool_response>", "</tool_response>"),
    {"pad_token": "<|vision_pad|>", "eos_token": "<|im_end|>"},
)  # fmt: skip
LLAMA_3 = Family(
    "llama31_template",
    ("<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>", "<|start_header_id|>", "<|end_header_id|>",
     "<|eot_id|>", "<|eom_id|>", "<|python_tag|>"),
    {"pad_token": "<|finetune_right_pad_id|>", "eos_token": "<|eot_id|>", "bos_token": "<|begin_of_text|>"},
)  # fmt: skip
MISTRAL = Family(
    "mistral_template",
    ("<pad>", "<s>", "</s>", "<unk>", "[INST]", "[/INST]"),
    {"pad_token": "<pad>", "eos_token": "</s>", "bos_token": "<s>", "unk_token": "<unk>"},
)
PHI_4 = Family(
    "phi4_template",
    ("<|endoftext|>", "<|dummy_87|>", "<|im_start|>", "<|im_sep|>", "<|im_end|>"),
    {"pad_token": "<|dummy_87|>", "eos_token": "<|im_end|>", "bos_token": "<|endoftext|>"},
)
GPT_OSS = Family(
    "gptoss_template",
    ("<|startoftext|>", "<|endoftext|>", "<|return|>", "<|constrain|>", "<|channel|>", "<|start|>", "<|end|>",
     "<|message|>", "<|call|>"),
    {"pad_token": "<|endoftext|>", "eos_token": "<|return|>", "bos_token": "<|startoftext|>"},
)  # fmt: skip

LLAMA_3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
GEMMA_3_ROPE = {"rope_theta": 1e6, "rope_local_base_freq": 1e4}


def _shape(
    hidden: int, inner: int, layers: int, heads: int, kv_heads: int, vocabulary: int, /, **more: Any
) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary,
        **more,
    }


@dataclass(frozen=True)
class Shape:
    """One model: its family, its classes in transformers, and its configuration's arguments."""

    family: Family
    config: str
    model: str
    arguments: dict[str, Any]
    vision: dict[str, Any] | None = None


def _qwen_3(hidden: int, inner: int, layers: int, heads: int, kv_heads: int, *, tied: bool) -> Shape:
    more: dict[str, Any] = {
        "head_dim": 128,
        "max_position_embeddings": 40960,
        "rope_theta": 1e6,
        "tie_word_embeddings": tied,
    }
    return Shape(
        QWEN_3, "Qwen3Config", "Qwen3ForCausalLM", _shape(hidden, inner, layers, heads, kv_heads, 151936, **more)
    )


def _llama(family: Family, *shape: int, **more: Any) -> Shape:
    return Shape(family, "LlamaConfig", "LlamaForCausalLM", _shape(*shape, **more))


SHAPES = {
    "gemma-3-4b": Shape(
        GEMMA_3, "Gemma3Config", "Gemma3ForConditionalGeneration",
        _shape(2560, 10240, 34, 8, 4, 262208, head_dim=256, sliding_window=1024, query_pre_attn_scalar=256,
               rope_scaling={"factor": 8.0, "rope_type": "linear"}, max_position_embeddings=131072, **GEMMA_3_ROPE),
        {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16,
         "patch_size": 14, "image_size": 896, "vision_use_head": False},
    ),
    "gemma-3-270m": Shape(
        GEMMA_3, "Gemma3TextConfig", "Gemma3ForCausalLM",
        _shape(640, 2048, 18, 4, 1, 262144, head_dim=256, sliding_window=512, query_pre_attn_scalar=256,
               max_position_embeddings=32768, **GEMMA_3_ROPE),
    ),
    "gemma-4-e2b": Shape(
        GEMMA_4, "Gemma4Config", "Gemma4ForConditionalGeneration",
        _shape(1536, 6144, 35, 8, 1, 262144, head_dim=256, sliding_window=512, num_kv_shared_layers=20,
               use_double_wide_mlp=True, final_logit_softcapping=30.0),
    ),
    "qwen3-0.6b": _qwen_3(1024, 3072, 28, 16, 8, tied=True),
    "qwen3-4b": _qwen_3(2560, 9728, 36, 32, 8, tied=True),
    "qwen3-8b": _qwen_3(4096, 12288, 36, 32, 8, tied=False),
    "qwen3.5-2b": Shape(
        QWEN_3, "Qwen3_5Config", "Qwen3_5ForConditionalGeneration",
        _shape(2048, 6144, 24, 8, 2, 248320, head_dim=256, linear_num_value_heads=16, tie_word_embeddings=True),
        {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16, "out_hidden_size": 2048},
    ),
    "llama-3-8b": _llama(LLAMA_3, 4096, 14336, 32, 32, 8, 128256, max_position_embeddings=8192, rope_theta=500000.0),
    "llama-3.1-8b": _llama(LLAMA_3, 4096, 14336, 32, 32, 8, 128256, max_position_embeddings=131072,
                           rope_parameters=LLAMA_3_ROPE | {"factor": 8.0}),
    "llama-3.2-1b": _llama(LLAMA_3, 2048, 8192, 16, 32, 8, 128256, head_dim=64, max_position_embeddings=131072,
                           tie_word_embeddings=True, rope_parameters=LLAMA_3_ROPE | {"factor": 32.0}),
    "mistral-7b": Shape(
        MISTRAL, "MistralConfig", "MistralForCausalLM",
        _shape(4096, 14336, 32, 32, 8, 32768, max_position_embeddings=32768, rope_theta=1e6, sliding_window=None),
    ),
    "phi-4": _llama(PHI_4, 5120, 17920, 40, 40, 10, 100352, max_position_embeddings=16384, rope_theta=250000.0),
    "gpt-oss-20b": Shape(
        GPT_OSS, "GptOssConfig", "GptOssForCausalLM",
        _shape(2880, 2880, 24, 64, 8, 201088, head_dim=64, num_local_experts=32, num_experts_per_tok=4,
               sliding_window=128),
    ),
}  # fmt: skip
"""By name. gemma-4-e2b has no vision or audio part here; Unsloth's own Phi-4 is in Llama's form."""

TINY = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 32, "vocab_size": 2304}  # fmt: skip
TINY_VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def shape_of(name: str) -> Shape:
    """The shape of a name, whatever stands behind it."""
    return SHAPES[name.partition("@")[0].removesuffix("-tiny")]


def template_text(name: str) -> str:
    """The string called `name` in the installed Unsloth's chat_templates.py, read without importing Unsloth."""
    package = importlib.util.find_spec("unsloth")
    assert package is not None and package.origin is not None
    source = (Path(package.origin).parent / "chat_templates.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return str(ast.literal_eval(node.value))
    raise LookupError(name)


def make_tokenizer(family: Family, folder: Path) -> Any:
    """A byte-level BPE of about 2,000 pieces, trained here, saved in `folder`."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    pieces = Regex(r"\p{N}| ?\p{L}+|\n+| ?[^\s\p{L}\p{N}]+|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pieces, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(family.specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words = WORDS.split()
    texts = [" ".join(words[i:] + words[:i]) for i in range(len(words))] + [ROLE_NAMES] * 50
    tokenizer.train_from_iterator(texts, trainer)
    if bos := family.roles.get("bos_token"):
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    extra = {"extra_special_tokens": family.extra} if family.extra else {}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=131072, padding_side="right", **family.roles, **extra
    )
    fast.chat_template = template_text(family.template)
    fast.save_pretrained(folder)
    return fast


def make_model(name: str, folder: Path) -> Path:
    """Write `folder`/`name`: configuration, random bfloat16 weights, tokenizer, and a processor where it sees."""
    import torch
    import transformers

    place = folder / name
    if (place / "config.json").exists():
        return place
    began = time.monotonic()
    shape = shape_of(name)
    tokenizer = make_tokenizer(shape.family, place)
    config = make_config(name, tokenizer)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            model = getattr(transformers, shape.model)(config)
    finally:
        torch.set_default_dtype(torch.float32)
    if shape.config == "GptOssConfig":
        save_in_four_bits(model, place)
    else:
        model.save_pretrained(place)
    write_processor(shape, config, tokenizer, place)
    weights = sum(weight.numel() for weight in model.parameters())
    print(f"{name}: {weights / 1e9:.3f} B parameters, random, {time.monotonic() - began:.0f} s", flush=True)
    del model
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return place


def write_processor(shape: Shape, config: Any, tokenizer: Any, place: Path) -> None:
    """Into the folder `place`, where the model is one that sees."""
    import transformers

    if shape.config != "Gemma3Config":
        return
    side = config.vision_config.image_size
    images = transformers.Gemma3ImageProcessor(
        size={"height": side, "width": side}, image_mean=[0.5] * 3, image_std=[0.5] * 3,
        image_seq_length=config.mm_tokens_per_image,
    )  # fmt: skip
    transformers.Gemma3Processor(
        image_processor=images, tokenizer=tokenizer, chat_template=tokenizer.chat_template,
        image_seq_length=config.mm_tokens_per_image,
    ).save_pretrained(place)  # fmt: skip


def make_config(name: str, tokenizer: Any) -> Any:
    """The configuration of `name` (a key of SHAPES, or one with -tiny) with the ids of `tokenizer`."""
    import transformers

    shape, is_tiny = shape_of(name), name.endswith("-tiny")
    ids = {role.replace("token", "token_id"): tokenizer.convert_tokens_to_ids(piece)
           for role, piece in shape.family.roles.items() if role != "unk_token"}  # fmt: skip
    arguments = shape.arguments | ids | (_tiny(shape) if is_tiny else {})
    if "@" in name:
        arguments["num_hidden_layers"] = int(name.partition("@")[2])
    make = getattr(transformers, shape.config)
    if shape.config not in ("Gemma3Config", "Gemma4Config", "Qwen3_5Config"):
        return make(architectures=[shape.model], **arguments)
    tied = {"tie_word_embeddings": arguments.get("tie_word_embeddings", True)}
    vision = shape.vision
    if vision is not None and is_tiny:
        vision = vision | (TINY_VISION if "depth" not in vision else {"depth": 2, "hidden_size": 32, "num_heads": 2,
                           "intermediate_size": 64, "out_hidden_size": arguments["hidden_size"]})  # fmt: skip
    more: dict[str, Any] = {}
    if shape.config == "Gemma3Config":
        token_id = tokenizer.convert_tokens_to_ids
        more = {
            "mm_tokens_per_image": 256,
            "boi_token_index": token_id("<start_of_image>"),
            "eoi_token_index": token_id("<end_of_image>"),
            "image_token_index": token_id("<image_soft_token>"),
            "eos_token_id": [token_id("<eos>"), token_id("<end_of_turn>")],
        }
    elif shape.config == "Qwen3_5Config":
        token_id = tokenizer.convert_tokens_to_ids
        more = {"image_token_id": token_id("<|image_pad|>"), "video_token_id": token_id("<|video_pad|>"),
                "vision_start_token_id": token_id("<|vision_start|>"),
                "vision_end_token_id": token_id("<|vision_end|>")}  # fmt: skip
    return make(text_config=arguments, vision_config=vision, architectures=[shape.model], **tied, **more)


def _tiny(shape: Shape) -> dict[str, Any]:
    small = dict(TINY)
    if shape.config == "Gemma3Config":
        small["num_hidden_layers"] = 6
    if shape.config == "Gemma4Config":
        small |= {"num_hidden_layers": 12, "num_kv_shared_layers": 4, "vocab_size_per_layer_input": 2304,
                  "hidden_size_per_layer_input": 16, "global_head_dim": 32}  # fmt: skip
    if shape.config == "Qwen3_5Config":
        small |= {"num_hidden_layers": 4, "linear_num_value_heads": 2, "linear_num_key_heads": 2,
                  "linear_key_head_dim": 32, "linear_value_head_dim": 32}  # fmt: skip
    if shape.config == "GptOssConfig":
        small |= {"num_local_experts": 4, "num_experts_per_tok": 2}
    return small


def main() -> None:
    """Write the models that were named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true")
    asked = parser.parse_args()
    if asked.list or asked.folder is None:
        print("\n".join(SHAPES))
        return
    for name in asked.names:
        make_model(name, asked.folder)


if __name__ == "__main__":
    main()
