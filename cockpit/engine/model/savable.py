"""Whether a loaded model can be saved as it is: mended or refused before it is trained, not after its last step"""

from __future__ import annotations

import copy
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cockpit.engine.errors import RunFailure, first_line, is_out_of_memory
from cockpit.text.plain_text import plain_line

_refused_field = re.compile(r"^- `(\w+)`", re.MULTILINE)
TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")


def mend_generation_config(model: Any, say: Callable[[str], None]) -> None:
    """Make the model's generation_config one that transformers saves, and say what was changed: it loads some that it
    refuses to save, such as a temperature without do_sample, and with them the weights."""
    settings = getattr(model, "generation_config", None)
    if settings is None or not _refused(settings):
        return
    file = "The base's generation_config.json"
    if settings.do_sample is None and _refused(sampling := _with_sampling(settings)) != _refused(settings):
        model.generation_config = settings = sampling
        say(f"{file} sets how replies are sampled without do_sample: true, and could not be saved so; it is added.")
    dropped: list[str] = []
    while refused := _refused(settings):
        if "" in refused:
            given = {name: getattr(settings, name, None) for name in TOKENS}
            model.generation_config = settings = type(settings)(**given)
            say(f"{file} could not be saved; only its special tokens are kept.")
            return
        for name in refused:
            setattr(settings, name, None)
        dropped += refused
    if dropped:
        say(f"{file} could not be saved with {', '.join(dropped)}, which have no effect there; they are left out.")


def _with_sampling(settings: Any) -> Any:
    """A copy that samples; one that could not (a temperature of 0) stays as it is."""
    changed = copy.deepcopy(settings)
    if not isinstance(settings.temperature, int | float) or settings.temperature > 0:
        changed.do_sample = True
    return changed


def _refused(settings: Any) -> list[str]:
    """Names of the fields that transformers refuses to save; an empty name where it does not say which."""
    try:
        settings.validate(strict=True)
    except ValueError as error:
        return [name for name in _refused_field.findall(str(error)) if getattr(settings, name, None) is not None] or [
            ""
        ]
    return []


def check_savable(model: Any, processing: Any, *, whole: bool, name: str) -> None:
    """Save all but the weights for a trial: tokenizer or processor, and for a `whole` model its configs and whether its
    weights have the ties that it declares. Raises RunFailure with what stands in the way of the model `name`."""
    from transformers.modeling_utils import remove_tied_weights_from_state_dict

    what = "The model"
    try:
        with tempfile.TemporaryDirectory(prefix="cockpit-") as folder:
            if whole:
                model.save_pretrained(folder, state_dict={})
                remove_tied_weights_from_state_dict(model.state_dict(), model)
            what = "The tokenizer of"
            processing.save_pretrained(str(Path(folder)))
    except Exception as error:
        if is_out_of_memory(error) or (isinstance(error, OSError) and error.errno is not None):
            raise
        raise RunFailure(
            f"{what} {plain_line(name)} could not be saved after training: {plain_line(first_line(error))}",
            "Correct that in the model's files, or give another model.",
        ) from error
