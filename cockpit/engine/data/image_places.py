"""Where in the turns of a conversation its images stand"""

from __future__ import annotations

from typing import Any

from cockpit.engine.data.message import Message

IMAGE_MARK = "<image>"
"""Where in a text the next image of the row's image column stands."""


def with_images(turns: list[Message], given: list[Any]) -> tuple[list[Message], list[Any]]:
    """The turns with their content as parts, and the images in the order of their parts; the turns as they are where
    there is no image. `given` are the images of the row's column, for IMAGE_MARKs and parts that name none.

    Raises ValueError with the end of a sentence where images and places are not equally many.
    """
    spare = list(given)
    if not spare and all(isinstance(turn["content"], str) for turn in turns):
        return turns, []
    if spare and not any(_has_place(turn) for turn in turns):
        first = next(turn for turn in turns if turn["role"] == "user")
        first["content"] = IMAGE_MARK * len(spare) + first["content"]
    images: list[Any] = []
    placed = []
    for turn in turns:
        parts = []
        for part in _parts(turn["content"], bool(given)):
            if part["type"] == "image":
                if "image" not in part and not spare:
                    raise ValueError("its turns have more images than the row gives")
                images.append(part["image"] if "image" in part else spare.pop(0))
            parts.append({"type": "image"} if part["type"] == "image" else part)
        placed.append({**turn, "content": parts})
    if spare:
        raise ValueError(f"it has {len(spare)} more images than places for them ({IMAGE_MARK}) in its turns")
    return placed, images


def _has_place(turn: Message) -> bool:
    content = turn["content"]
    return not isinstance(content, str) or IMAGE_MARK in content


def _parts(content: Any, marked: bool) -> list[dict[str, Any]]:
    """The content as parts; with `marked`, an image stands at each IMAGE_MARK of a text."""
    if not isinstance(content, str):
        return list(content)
    pieces = content.split(IMAGE_MARK) if marked else [content]
    parts: list[dict[str, Any]] = []
    for number, piece in enumerate(pieces):
        parts += [{"type": "image"}] if number else []
        parts += [{"type": "text", "text": piece}] if piece.strip() else []
    return parts
