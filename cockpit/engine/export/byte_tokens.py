"""A tokenizer that llama.cpp takes for another kind: its file is written, and ends the program that reads it"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cockpit.engine.errors import RunFailure
from cockpit.models.folder import read_json

TOKENIZER = "tokenizer.json"
BYTES = tuple(f"<0x{number:02X}>" for number in range(256))
MENDED = (
    "The tokenizer says byte_fallback: true and has no byte tokens, as its pieces are made of bytes already: the GGUF "
    "file is made without that word, at which llama.cpp would end."
)


def without_idle_byte_fallback(folder: Path) -> str:
    """Take `byte_fallback: true` out of the folder's tokenizer.json where there are no byte tokens to fall back to, and
    say so in a sentence; empty where nothing was wrong.

    llama.cpp's converter (gguf-py, LlamaHfVocab) takes BPE with that word and a Sequence as its decoder for a
    SentencePiece vocabulary. One of byte-level pieces has no <0x0A> then, and llama.cpp ends at the first line feed
    (`unordered_map::at`). Raises RunFailure where the pieces are not made of bytes, so that there is nothing to mend.
    """
    tokenizer = read_json(folder / TOKENIZER)
    if not _is_taken_for_sentencepiece(tokenizer):
        return ""
    vocabulary = tokenizer["model"].get("vocab")
    missing = [byte for byte in BYTES if not isinstance(vocabulary, dict) or byte not in vocabulary]
    if not missing:
        return ""
    if not _is_byte_level(tokenizer):
        raise RunFailure(
            f"The tokenizer says byte_fallback: true and has no token {missing[0]} ({len(missing)} of 256 bytes are "
            "missing), at which llama.cpp ends.",
            "A merged model is taken by other programs as it is.",
        )
    tokenizer["model"]["byte_fallback"] = False
    (folder / TOKENIZER).write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    return MENDED


def _is_taken_for_sentencepiece(tokenizer: dict[str, Any]) -> bool:
    model, decoder = tokenizer.get("model"), tokenizer.get("decoder")
    if not (isinstance(model, dict) and isinstance(decoder, dict)):
        return False
    return model.get("type") == "BPE" and bool(model.get("byte_fallback")) and decoder.get("type") == "Sequence"


def _is_byte_level(tokenizer: dict[str, Any]) -> bool:
    """Whether text is cut into bytes before any piece is looked for."""
    cutter = tokenizer.get("pre_tokenizer")
    parts = [cutter, *(cutter.get("pretokenizers") or [])] if isinstance(cutter, dict) else []
    return any(isinstance(part, dict) and part.get("type") == "ByteLevel" for part in parts)
