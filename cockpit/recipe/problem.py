"""What is wrong with a recipe or a setting: where, what, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cockpit.text.plain_text import plain_line, without_logins


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `file` is what the user calls it (a path, a recipe's name, `--set`)."""

    file: str
    line: int | None
    """Counted from 1; None where no line is to blame."""
    field: str
    """Dotted path such as lora.r; empty for the file as a whole."""
    wrong: str
    """What is wrong, as the end of a sentence that begins with the field."""
    right: str
    """What would be right; may be empty."""

    def __str__(self) -> str:
        """One line: `recipes/x.yaml:12: lora.r: 0 is below the smallest value; give a whole number from 1 to 1024`."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        sentence = f"{self.wrong}; {self.right}" if self.right else self.wrong
        return without_logins(plain_line(": ".join(filter(None, (place, self.field, sentence)))))


class RecipeError(Exception):
    """A recipe or a setting cannot be used. `problems` holds at least one; the text is one line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: list[Problem] = list(problems)
        super().__init__("\n".join(map(str, self.problems)))
