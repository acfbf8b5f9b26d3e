"""Names of Unsloth's chat templates, and the one that stands for the tokenizer's own

`python -m cockpit.engine.compat.unsloth_templates` writes template_names.txt anew from the installed unsloth.
"""

from __future__ import annotations

import functools
from pathlib import Path

MODELS_OWN = "model"
"""The name that stands for the tokenizer's own template."""
NAMES_FILE = Path(__file__).with_name("template_names.txt")


@functools.cache
def template_names() -> tuple[str, ...]:
    """Every template's name, in Unsloth's order."""
    return tuple(NAMES_FILE.read_text(encoding="utf-8").splitlines())
