"""What a merged model's folder needs so that other programs read and stop it as our chat does"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.data.turn_ends import reply_end_of, turn_end_ids
from cockpit.models.folder import read_json

TOKENIZER_SOURCES = ("tokenizer.model", "spiece.model", "tekken.json")
"""What a tokenizer.json was made of; llama.cpp's converter asks for them, and transformers 5 does not save them."""


def carry_tokenizer_sources(base: Path, place: Path, say: Callable[[str], None]) -> None:
    """Copy the base's tokenizer sources into `place` where its tokenizer.json has all of the base's tokens, and name
    there which of them are special, as tokenizer.model does not tell."""
    sources = [base / name for name in TOKENIZER_SOURCES if (base / name).is_file() and not (place / name).exists()]
    if not sources:
        return
    mine, theirs = read_json(place / "tokenizer.json"), read_json(base / "tokenizer.json")
    if theirs and not _has_all_of(mine, theirs):
        names = ", ".join(source.name for source in sources)
        say(f"The base's {names} is left out: the chat template that was trained has changed the tokenizer.")
        return
    for source in sources:
        shutil.copyfile(source, place / source.name)
    file = place / "tokenizer_config.json"
    config = read_json(file)
    if config and "added_tokens_decoder" not in config:
        added = [token for token in mine.get("added_tokens", []) if isinstance(token, dict)]
        config["added_tokens_decoder"] = {
            str(token["id"]): {key: value for key, value in token.items() if key != "id"} for token in added
        }
        _write(file, config)


def _has_all_of(mine: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether the tokenizer has the other one's tokens, and besides at most some that were added after them."""
    if mine.get("model", {}).get("vocab") != theirs.get("model", {}).get("vocab"):
        return False
    own, other = _added(mine), _added(theirs)
    after = max([*other, len(theirs.get("model", {}).get("vocab") or ()) - 1])
    return all(own.get(id) == text for id, text in other.items()) and all(id in other or id > after for id in own)


def _added(tokenizer: dict[str, Any]) -> dict[int, str]:
    return {int(token["id"]): token["content"] for token in tokenizer.get("added_tokens", [])}


def write_turn_ends(place: Path, *, trust_remote_code: bool) -> None:
    """Let the model in `place` end a turn elsewhere where our chat ends it: generation_config.json lists all ends, and
    the tokenizer's end is the template's."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=trust_remote_code)
    mark = reply_end_of(tokenizer)
    file = place / "generation_config.json"
    settings = read_json(file)
    named = settings.get("eos_token_id", read_json(place / "config.json").get("eos_token_id"))
    ends = turn_end_ids(named, tokenizer, mark)
    if ends:
        settings.pop("_from_model_config", None)  # it stands for itself
        settings["eos_token_id"] = ends[0] if len(ends) == 1 else ends
        _write(file, settings)
    is_token = mark and len(tokenizer(mark, add_special_tokens=False)["input_ids"]) == 1
    config = read_json(place / "tokenizer_config.json")
    if is_token and config and mark != tokenizer.eos_token and _is_free(tokenizer, mark):
        _write(place / "tokenizer_config.json", config | {"eos_token": mark})


def _is_free(tokenizer: Any, mark: str) -> bool:
    """Whether the template renders the same with another end of text: some write eos_token elsewhere too."""
    turns = [{"role": "user", "content": "Question"}, {"role": "assistant", "content": "Answer"}]
    own = tokenizer.eos_token
    before = ChatTemplate(tokenizer).render(turns + turns)
    tokenizer.eos_token = mark
    try:
        return ChatTemplate(tokenizer).render(turns + turns) == before
    finally:
        tokenizer.eos_token = own


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
