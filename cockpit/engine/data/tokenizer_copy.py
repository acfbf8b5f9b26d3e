"""A tokenizer for other processes, and what tells that it is the same one there"""

from __future__ import annotations

import copy
import datetime
import json
from typing import Any

from cockpit.data.fingerprints import fingerprint_of_bytes


def tokenizer_fingerprint(tokenizer: Any) -> str:
    """Of a fast tokenizer: its own rules, its template, its special tokens. A template that writes the date makes it
    another one each day."""
    tokenizer("a", add_special_tokens=False)  # what the last call has set of truncation and padding is no part of it
    template = tokenizer.chat_template
    told = {
        "class": type(tokenizer).__qualname__,
        "template": template,
        "special": {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
        "ids": [tokenizer.bos_token_id, tokenizer.eos_token_id],
        "day": datetime.date.today().isoformat() if "strftime_now" in str(template) else "",
    }
    return fingerprint_of_bytes(
        tokenizer.backend_tokenizer.to_str().encode(), json.dumps(told, sort_keys=True).encode()
    )


def portable_tokenizer(tokenizer: Any) -> Any:
    """A copy that can be pickled: without the functions that libraries have hung on it, which need their modules."""
    copied = copy.copy(tokenizer)
    for name in [name for name, value in vars(copied).items() if callable(value)]:
        if name != "_tokenizer":
            delattr(copied, name)
    return copied
