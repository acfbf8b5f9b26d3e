"""New tokens in the tokenizer, and what is told of them; imports no torch, as the data screen has none"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cockpit.engine.errors import RunFailure
from cockpit.models.folder import ModelFolder, read_json
from cockpit.recipe.recipe import Recipe
from cockpit.runs.starting_adapter import StartingAdapter
from cockpit.text.plain_text import plain_line


@dataclass(frozen=True)
class NewToken:
    """A token that the recipe adds. `pieces` are the tokens that its text was written with until then; `is_known`: the
    tokenizer had it already, so that its rows are trained and have a beginning of their own."""

    text: str
    id: int
    pieces: tuple[int, ...]
    is_known: bool


def starting_adapter(recipe: Recipe) -> StartingAdapter:
    """The adapter that the recipe goes on with. Raises RunFailure where it cannot be used."""
    try:
        return StartingAdapter.named(recipe.model.adapter or "")
    except (ValueError, OSError) as error:
        shown = plain_line(recipe.model.adapter or "")
        raise RunFailure(
            f"The adapter {shown} cannot be gone on with: {plain_line(str(error))}.", "Look at model.adapter."
        ) from error


def add_to_tokenizer(tokenizer: Any, recipe: Recipe) -> list[NewToken]:
    """Make each text that the recipe adds, or that the adapter has which it goes on with, one token wherever it stands;
    those that are one already stay as they are. Raises RunFailure where the adapter's tokens are numbered otherwise."""
    wanted = _of_adapter(tokenizer, recipe) if recipe.model.adapter is not None else {}
    wanted |= {text: {"normalized": False} for text in recipe.model.add_tokens if text not in wanted}
    return _add(tokenizer, wanted)


def _of_adapter(tokenizer: Any, recipe: Recipe) -> dict[str, dict[str, Any]]:
    """What an adapter's tokenizer has beyond the base's: each text with its settings, in the order of the ids."""
    known = tokenizer.get_vocab()
    saved = read_json(starting_adapter(recipe).path / "tokenizer.json").get("added_tokens", [])
    extra = sorted((one for one in saved if one["content"] not in known), key=lambda one: int(one["id"]))
    for place, one in enumerate(extra, len(tokenizer)):
        if one["id"] != place:
            raise RunFailure(
                f"The adapter's tokenizer has {plain_line(one['content'])} as number {one['id']:,}, and with this base "
                f"it would be {place:,}.",
                "Give the very model that the adapter was trained on, and its data.chat_template.",
            )
    return {one["content"]: {key: value for key, value in one.items() if key not in ("id", "content")} for one in extra}


def _add(tokenizer: Any, wanted: dict[str, dict[str, Any]]) -> list[NewToken]:
    from transformers import AddedToken

    known = tokenizer.get_vocab()
    pieces = {text: tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in wanted}
    tokenizer.add_tokens([AddedToken(text, **settings) for text, settings in wanted.items() if text not in known])
    return [NewToken(text, tokenizer.convert_tokens_to_ids(text), pieces[text], text in known) for text in wanted]


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
