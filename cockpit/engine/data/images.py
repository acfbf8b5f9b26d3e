"""An image of a row: a path, or the bytes of a file -> an opened picture"""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cockpit.paths import expanded
from cockpit.text.plain_text import plain_line


def stored_image(reference: Any, folder: Path) -> dict[str, Any]:
    """The reference as {"bytes", "path"}, one of them None; the path is absolute, relative ones being below `folder`.

    Takes a path, bytes, a data: address, or a mapping of bytes and path as the datasets library has them. Raises
    ValueError with the end of a sentence about the row.
    """
    if isinstance(reference, Mapping):
        content, path = reference.get("bytes"), reference.get("path")
        reference = content if content is not None else path
    if isinstance(reference, bytes | bytearray):
        return {"bytes": bytes(reference), "path": None}
    if not isinstance(reference, str) or not reference:
        raise ValueError("its image is neither a path nor the bytes of a file")
    if reference.startswith("data:"):
        try:
            return {"bytes": base64.b64decode(reference.partition(",")[2], validate=True), "path": None}
        except (binascii.Error, ValueError):
            raise ValueError("its image is a data: address that is not base64") from None
    if reference.startswith(("http://", "https://")):
        raise ValueError("its image is an address on the web; give files on this disk")
    return {"bytes": None, "path": str((folder / expanded(reference.removeprefix("file://"))).absolute())}


def image_size(stored: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height in pixels, from the file's head; its checksums are looked at. Raises ValueError."""
    from PIL import Image

    with _opened(stored) as image:
        size = image.size
        try:
            image.verify()
        except Exception as error:
            raise ValueError(f"{_name(stored)} is a damaged image ({_said(error)})") from error
    if min(size) < 1:
        raise ValueError(f"{_name(stored)} has no pixels")
    if Image.MAX_IMAGE_PIXELS and size[0] * size[1] > 2 * Image.MAX_IMAGE_PIXELS:
        raise ValueError(f"{_name(stored)} has {size[0]:,} x {size[1]:,} pixels, which is too many")
    return size


def open_image(stored: Mapping[str, Any]) -> Any:
    """The picture in red, green and blue, whole in memory. Raises ValueError."""
    with _opened(stored) as image:
        try:
            return image.convert("RGB")
        except Exception as error:
            raise ValueError(f"{_name(stored)} is a damaged image ({_said(error)})") from error


def _opened(stored: Mapping[str, Any]) -> Any:
    from PIL import Image, UnidentifiedImageError

    content = stored["bytes"]
    if content is None and stored["path"] is not None and not Path(stored["path"]).is_file():
        raise ValueError(f"{_name(stored)} is not there")  # a FIFO would be waited for
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return Image.open(io.BytesIO(content) if content is not None else stored["path"])
        except UnidentifiedImageError as error:
            raise ValueError(f"{_name(stored)} is no image") from error
        except FileNotFoundError as error:
            raise ValueError(f"{_name(stored)} is not there") from error
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"{_name(stored)} cannot be read ({_said(error)})") from error


def _name(stored: Mapping[str, Any]) -> str:
    if stored["path"] is None:
        return "its image"
    return f"its image {plain_line(Path(stored['path']).name)}"


def _said(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return plain_line(said)[:120] or type(error).__name__
