"""What a recipe may say and this version's engine does not do yet: refused before the start, left out of the form."""

from __future__ import annotations

from cockpit.recipe.field_path import FieldPath, as_listed, dotted

NOT_YET: frozenset[str] = frozenset(
    {
        "samples",
        "output.merged",
        "output.push_to_hub",
    }
)
"""Fields and sections, as dotted paths; an index stands for every element of its list."""

CHOICES_NOT_YET: dict[str, frozenset[str]] = {}
"""Single choices of fields that are served otherwise."""


def is_not_yet(path: FieldPath) -> bool:
    """Whether the field, or the section it stands in, waits for a later version."""
    return any(dotted(as_listed(path[:depth])) in NOT_YET for depth in range(1, len(path) + 1))


def served_choices(path: FieldPath, choices: tuple[str, ...]) -> tuple[str, ...]:
    """The choices of a field that this version can do."""
    return tuple(choice for choice in choices if choice not in CHOICES_NOT_YET.get(dotted(as_listed(path)), ()))
