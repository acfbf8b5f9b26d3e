"""Tiny random models of families that load in different ways, each saved as the Hub would have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.engine.tiny import make_tokenizer

SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "max_position_embeddings": 512,
}
IMAGE_MARKS = ["<start_of_image>", "<end_of_image>", "<image_soft_token>"]


def make_family(name: str, folder: Path) -> Path:
    """llama, gemma3-text, gemma3 (which sees), gpt-oss (experts), misnamed (text alone, named as if it saw), or gemma2,
    granite and cohere (which scale what their head gives, and have a head that makes that tell)."""
    import torch
    import transformers as tf

    tokenizer = make_tokenizer()
    if name == "gemma3":
        tokenizer = _with_image_marks(tokenizer)
    ids = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(0)
    match name:
        case "llama":
            model: Any = tf.LlamaForCausalLM(tf.LlamaConfig(**SMALL, **ids))
        case "gemma3-text" | "misnamed":
            model = tf.Gemma3ForCausalLM(tf.Gemma3TextConfig(**SMALL, **ids, sliding_window=64))
        case "gemma3":
            model = tf.Gemma3ForConditionalGeneration(_gemma3(tokenizer, ids))
        case "gpt-oss":
            model = tf.GptOssForCausalLM(
                tf.GptOssConfig(**SMALL, **ids, num_local_experts=4, num_experts_per_tok=2, sliding_window=64)
            )
        case "gemma2":
            model = tf.Gemma2ForCausalLM(
                tf.Gemma2Config(**SMALL, **ids, sliding_window=64, final_logit_softcapping=1.0)
            )
        case "granite":
            model = tf.GraniteForCausalLM(tf.GraniteConfig(**SMALL, **ids, logits_scaling=4.0))
        case "cohere":
            model = tf.CohereForCausalLM(tf.CohereConfig(**SMALL, **ids, logit_scale=0.25))
        case _:
            raise ValueError(name)
    if name in ("gemma2", "granite", "cohere"):
        with torch.no_grad():
            model.get_output_embeddings().weight.mul_(20)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if name == "gemma3":
        images = tf.Gemma3ImageProcessor(size={"height": 28, "width": 28}, image_seq_length=4)
        tf.Gemma3Processor(
            image_processor=images, tokenizer=tokenizer, chat_template=tokenizer.chat_template, image_seq_length=4
        ).save_pretrained(folder)
    if name == "misnamed":
        config = folder / "config.json"
        config.write_text(config.read_text().replace("Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"))
    return folder


def _with_image_marks(tokenizer: Any) -> Any:
    import transformers as tf

    tokenizer.add_special_tokens({"additional_special_tokens": IMAGE_MARKS})
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        eos_token=tokenizer.eos_token,
        pad_token=tokenizer.pad_token,
        chat_template=tokenizer.chat_template,
        extra_special_tokens=dict(zip(("boi_token", "eoi_token", "image_token"), IMAGE_MARKS, strict=True)),
    )


def _gemma3(tokenizer: Any, ids: dict[str, Any]) -> Any:
    import transformers as tf

    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 7,
        "vision_use_head": False,
    }
    begin, end, image = (tokenizer.convert_tokens_to_ids(mark) for mark in IMAGE_MARKS)
    return tf.Gemma3Config(
        text_config={**SMALL, **ids, "sliding_window": 64},
        vision_config=vision,
        mm_tokens_per_image=4,
        boi_token_index=begin,
        eoi_token_index=end,
        image_token_index=image,
    )
