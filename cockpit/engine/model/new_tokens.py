"""New tokens in the tokenizer, and what is told of them; imports no torch, as the data screen has none"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cockpit.models.folder import ModelFolder
from cockpit.text.plain_text import plain_line


@dataclass(frozen=True)
class NewToken:
    """A token that the recipe adds. `pieces` are the tokens that its text was written with until then; `is_known`: the
    tokenizer had it already, so that its rows are trained and have a beginning of their own."""

    text: str
    id: int
    pieces: tuple[int, ...]
    is_known: bool


def add_to_tokenizer(tokenizer: Any, texts: Sequence[str]) -> list[NewToken]:
    """Make each text one token, wherever it stands; those that are one already stay as they are."""
    from transformers import AddedToken

    known = tokenizer.get_vocab()
    pieces = {text: tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts}
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in texts if text not in known])
    return [NewToken(text, tokenizer.convert_tokens_to_ids(text), pieces[text], text in known) for text in texts]


def tell_new_tokens(model: Any, tokens: Sequence[NewToken], say: Callable[[str], None], *, full: bool) -> None:
    """Say which tokens there are besides the base's own, and what is trained for them: in `full` training all."""
    if not tokens:
        return
    new = [plain_line(token.text) for token in tokens if not token.is_known]
    known = [plain_line(token.text) for token in tokens if token.is_known]
    told = [f"{len(new)} new token{'s' * (len(new) != 1)}: {', '.join(new)}."] if new else []
    if known:
        told.append(f"{', '.join(known)} {'is a token' if len(known) == 1 else 'are tokens'} of the model already.")
    if full:
        what = "Every weight is trained, theirs too."
    elif hasattr(model.get_input_embeddings(), "token_adapter"):
        rows = "Their rows" if len(tokens) > 1 else "Its rows"
        what = f"{rows} of the embeddings and of the head are trained and saved with the adapter."
    else:
        what = "For them the embeddings and the head are trained whole, and saved with the adapter."
    say(" ".join([*told, what]))


def note_for_card(model: Any, tokens: Sequence[NewToken], base: ModelFolder) -> str:
    """What the card of an adapter with tokens of its own must say, as Markdown: plain peft makes no room for them.
    Empty where `base` has room."""
    count, rows = sum(not token.is_known for token in tokens), model.get_input_embeddings().weight.shape[0]
    text = base.config.get("text_config")
    if not count or rows == (text if isinstance(text, dict) else base.config).get("vocab_size"):
        return ""
    return f"""
## Tokens of its own

This adapter has {count} new token{"s" * (count != 1)}, which its tokenizer knows. Before it is loaded, its base needs
{rows} rows of embeddings:

```python
tokenizer = AutoTokenizer.from_pretrained(ADAPTER)
model = AutoModelForCausalLM.from_pretrained(BASE)
model.resize_token_embeddings({rows})
model = PeftModel.from_pretrained(model, ADAPTER)
```
"""
