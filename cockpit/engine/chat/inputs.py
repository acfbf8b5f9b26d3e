"""A conversation -> what the model is given to answer it: tokens, and what the processor makes of images"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from cockpit.engine.data.chat_template import ChatTemplate, in_parts
from cockpit.engine.data.images import open_image, stored_image
from cockpit.engine.data.message import THOUGHTS, Message
from cockpit.engine.model.loading import Loaded
from cockpit.engine.model.lora_targets import VISION
from cockpit.protocol.commands import Chat


def chat_inputs(loaded: Loaded, template: ChatTemplate | None, chat: Chat) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask` [1, tokens], and of images whatever the model's processor makes of them.

    Rendered as rows were in training; without a `template` the last message is the prompt as it stands. Raises
    ValueError with a sentence where it cannot be asked.
    """
    # Each template reads the reasoning under the name that its family has for it.
    thoughts = [message.get("reasoning_content") for message in chat.messages]
    messages: list[Message] = [
        {**message, **(dict.fromkeys(THOUGHTS, thought) if thought else {})}
        for message, thought in zip(chat.messages, thoughts, strict=True)
    ]
    if not messages:
        raise ValueError("There is nothing to answer.")
    if any(message.get("image") for message in messages):
        return _with_images(loaded, template, messages, chat.enable_thinking)
    if template is None:
        ids = loaded.tokenizer(messages[-1]["content"])["input_ids"]
    else:
        ids = loaded.tokenizer(template.prompt(messages, chat.enable_thinking), add_special_tokens=False)["input_ids"]
    input_ids = torch.tensor([list(ids)], device=loaded.device)
    return {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}


def _with_images(
    loaded: Loaded, template: ChatTemplate | None, messages: list[Message], enable_thinking: bool
) -> dict[str, torch.Tensor]:
    if loaded.processor is None or template is None:
        raise ValueError("This model takes no images.")
    images, turns = [], []
    for message in messages:
        turn = in_parts({name: value for name, value in message.items() if name != "image"})
        if path := message.get("image"):
            try:
                images.append(open_image(stored_image(path, Path())))
            except ValueError as error:
                raise ValueError(f"The prompt cannot be asked: {error}.") from error
            turn["content"] = [*turn["content"], {"type": "image"}]
        turns.append(turn)
    text = template.prompt(turns, enable_thinking)
    batch = loaded.processor(text=[text], images=[images], add_special_tokens=False, return_tensors="pt")
    return dict(batch.to(loaded.device, _sees_in(loaded.model)))


def _sees_in(model: Any) -> torch.dtype:
    """The type of the layers that see."""
    for name, weight in model.named_parameters():
        if weight.is_floating_point() and any(part in name for part in VISION):
            return weight.dtype
    return torch.get_default_dtype()
