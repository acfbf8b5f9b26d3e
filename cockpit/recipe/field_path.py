"""A field's place in a recipe: ("data", "sources", 0, "split"), written data.sources.0.split."""

from __future__ import annotations

FieldPath = tuple[str | int, ...]


def dotted(path: FieldPath) -> str:
    """The path as it is written."""
    return ".".join(map(str, path))


def as_listed(path: FieldPath) -> FieldPath:
    """The path with the first element of each list in place of any other, as the model's fields are listed."""
    return tuple(0 if isinstance(part, int) else part for part in path)


def parts(field: str) -> FieldPath:
    """The path that is written as `field`."""
    return tuple(int(part) if part.isascii() and part.isdecimal() else part for part in field[:1000].split("."))
