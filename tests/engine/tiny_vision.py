"""A random Gemma-3 of text and images, small enough for a CPU, its processor, and pictures drawn here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SPECIALS = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
SIDE = 28
IMAGE_TOKENS = 4


def make_processor() -> Any:
    """A byte-level tokenizer with Gemma's marks and its template, and an image processor for 28 x 28 pixels."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import Gemma3ImageProcessor, Gemma3Processor, PreTrainedTokenizerFast

    from cockpit.engine.compat.unsloth_templates import named_templates

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    specials = ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>", *SPECIALS.values()]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=380, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(["user model write the latex \n\n"] * 20, trainer)
    template = named_templates()["gemma-3"].text
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        extra_special_tokens=SPECIALS,
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )
    images = Gemma3ImageProcessor(size={"height": SIDE, "width": SIDE})
    return Gemma3Processor(images, tokenizer, chat_template=template, image_seq_length=IMAGE_TOKENS)


def make_model(folder: Path) -> Path:
    """Save model and processor into `folder` as the Hub would have them."""
    import torch
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    processor = make_processor()
    tokenizer = processor.tokenizer
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "max_position_embeddings": 512,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "patch_size": 14,
        "image_size": SIDE,
        "vision_use_head": False,
    }
    torch.manual_seed(0)
    ids = {f"{name}_index": tokenizer.convert_tokens_to_ids(token) for name, token in SPECIALS.items()}
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=IMAGE_TOKENS, **ids)
    Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def draw(path: Path, mark: int = 0, size: tuple[int, int] = (40, 30)) -> Path:
    """A small picture; `mark` tells it from others."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).line([(0, mark), (size[0], size[1] - mark)], fill="black", width=2)
    picture.save(path)
    return path
