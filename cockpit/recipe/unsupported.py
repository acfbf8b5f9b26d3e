"""What a recipe may say and this version's engine does not do yet: refused before the start, left out of the form."""

from __future__ import annotations

from cockpit.recipe.field_path import FieldPath, as_listed, dotted

UNSUPPORTED = {
    "output.merged": "after the run: cockpit export RUN --as merged-16bit",
    "output.push_to_hub": "after the run: cockpit export RUN --as adapter --push OWNER/NAME",
}
"""Fields and sections, as dotted paths where an index stands for every element of its list, and what does it instead,
empty where nothing does."""


def is_unsupported(path: FieldPath) -> bool:
    """Whether the field, or the section it stands in, waits for a later version."""
    return any(dotted(as_listed(path[:depth])) in UNSUPPORTED for depth in range(1, len(path) + 1))
