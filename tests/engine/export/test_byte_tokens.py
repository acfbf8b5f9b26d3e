"""Tokenizers that llama.cpp would take for a SentencePiece vocabulary and end at: mended, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from cockpit.engine.errors import RunFailure
from cockpit.engine.export.byte_tokens import BYTES, MENDED, without_idle_byte_fallback

TEXT = "Hello,\n\tworld! é漢字 👩\u200d🔬\r\n\x00"


def save(folder: Path, tokenizer: Any) -> str:
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return (folder / "tokenizer.json").read_text()


def byte_level(**model: Any) -> Any:
    """Pieces made of bytes, as SmolLM2 has them."""
    vocabulary = {piece: number for number, piece in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[], **model))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.Sequence([decoders.ByteLevel()])
    return made


def sentencepiece(*missing: str) -> Any:
    """Pieces of text, and bytes to fall back to, as Gemma has them."""
    vocabulary = {piece: at for at, piece in enumerate(["<unk>", "▁", *(b for b in BYTES if b not in missing), "a"])}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True))
    made.decoder = decoders.Sequence([decoders.ByteFallback()])
    return made


def test_one_of_byte_level_pieces_is_mended_and_reads_and_writes_the_same(tmp_path: Path) -> None:
    save(tmp_path, byte_level(byte_fallback=True))
    before = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert without_idle_byte_fallback(tmp_path) == MENDED
    after = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert json.loads((tmp_path / "tokenizer.json").read_text())["model"]["byte_fallback"] is False
    assert before.encode(TEXT).ids == after.encode(TEXT).ids
    assert before.decode(after.encode(TEXT).ids) == after.decode(after.encode(TEXT).ids) == TEXT
    assert without_idle_byte_fallback(tmp_path) == ""


@pytest.mark.parametrize("made", [byte_level(), sentencepiece()], ids=["byte level", "sentencepiece"])
def test_others_stay_as_they_are(tmp_path: Path, made: Any) -> None:
    text = save(tmp_path, made)
    assert without_idle_byte_fallback(tmp_path) == ""
    assert (tmp_path / "tokenizer.json").read_text() == text


def test_one_that_lacks_bytes_is_refused(tmp_path: Path) -> None:
    save(tmp_path, sentencepiece("<0x0A>"))
    with pytest.raises(RunFailure) as failure:
        without_idle_byte_fallback(tmp_path)
    assert str(failure.value) == (
        "The tokenizer says byte_fallback: true and has no token <0x0A> (1 of 256 bytes are missing), at which "
        "llama.cpp ends."
    )


def test_a_folder_without_a_readable_tokenizer_is_left_to_the_converter(tmp_path: Path) -> None:
    assert without_idle_byte_fallback(tmp_path) == ""
    (tmp_path / "tokenizer.json").write_text('{"model": null, "decoder": {"type": "Sequence"}}')
    assert without_idle_byte_fallback(tmp_path) == ""
