"""recipe -> tokenizer, and the processor of a vision model, as training has them; without the model itself"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cockpit.engine.errors import RunFailure, first_line
from cockpit.engine.model.new_tokens import add_to_tokenizer
from cockpit.engine.model.template_by_name import with_named_template
from cockpit.models.folder import ModelFolder
from cockpit.recipe.recipe import Recipe
from cockpit.text.plain_text import plain_line


def load_tokenizer(folder: ModelFolder, recipe: Recipe) -> tuple[Any, Any | None]:
    """The tokenizer, and the processor of a vision model, from the model's folder; Unsloth is not imported.

    Raises RunFailure where the folder has no usable one.
    """
    from transformers import AutoTokenizer

    trusted = recipe.model.trust_remote_code
    processor = processor_of(folder.path, trusted) if folder.is_vision else None
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None:
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder.path, padding_side="right", trust_remote_code=trusted)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError) as error:
            name = plain_line(recipe.model.name_or_path)
            raise RunFailure(
                f"The tokenizer of {name} cannot be loaded: {plain_line(first_line(error))}",
                "model.name_or_path is a folder with config.json and a tokenizer, or a name on the Hub.",
            ) from error
    tokenizer = as_trained(tokenizer, processor, recipe, "transformers")
    add_to_tokenizer(tokenizer, recipe)
    return tokenizer, processor


def as_trained(tokenizer: Any, processor: Any | None, recipe: Recipe, backend: str) -> Any:
    """The tokenizer, or another one in its place, with the recipe's chat template and a token to pad with on the right;
    the processor's too. Raises RunFailure where it cannot be used."""
    if not getattr(tokenizer, "is_fast", False):
        raise RunFailure("This model has only a slow tokenizer, which does not say where its tokens stand in the text.")
    if recipe.data.chat_template != "model":
        tokenizer = with_named_template(tokenizer, recipe.data.chat_template, backend)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    if processor is not None:
        processor.tokenizer = tokenizer
    return tokenizer


def processor_of(folder: Path, trust_remote_code: bool) -> Any:
    """The processor; None for a model of text alone, whatever its class is called."""
    from transformers import AutoProcessor

    try:
        found = AutoProcessor.from_pretrained(folder, padding_side="right", trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError):
        return None
    return found if hasattr(found, "image_processor") else None
