"""RecipeList: every recipe with what it needs and about how long it takes; broken ones with what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from cockpit.text.numbers import UNKNOWN
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.marked_list import MarkedList, columns

NEEDS_CELLS = 8
DURATION_CELLS = 9
YOURS = " · yours"


@dataclass(frozen=True)
class RecipeRow:
    """A line of the list. `key` tells rows apart; `problem` is set where the file cannot be used."""

    key: str
    name: str
    needs: str = ""
    duration: str = ""
    is_yours: bool = False
    problem: str = ""


class RecipeList(MarkedList):
    """Highlighting a row shows its card; Enter starts it."""

    HELP = (
        "The recipes: cockpit's own first, then yours. Beside each stand the smallest machine that runs it (CPU, or "
        "GiB of VRAM) and about how long it takes.\nEnter starts the marked one, e opens it in the editor. A recipe of "
        "your own is a YAML file in your recipe folder."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "start", id="recipes.start", tooltip="Train the marked recipe", show=True),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._rows: Sequence[RecipeRow] = ()

    def set_rows(self, rows: Sequence[RecipeRow]) -> None:
        """Show these recipes."""
        if rows != self._rows:
            self._rows = rows
            self.draw_rows()

    def row_ids(self) -> Sequence[str]:
        return [row.key for row in self._rows]

    def row_content(self, index: int, width: int) -> Content:
        row = self._rows[index]
        name = Content(plain_line(row.name))
        if row.problem:
            return columns(width, Content.assemble(("✗ ", "$error"), name), [Content.styled("broken", "$error")])
        right = []
        if width >= 34:
            needs = Content(plain_line(row.needs)).truncate(NEEDS_CELLS, ellipsis=True)
            right.append(needs.pad_left(NEEDS_CELLS - needs.cell_length))
        duration = Content(short_duration(row.duration)).truncate(DURATION_CELLS, ellipsis=True)
        right.append(
            Content.styled(duration.pad_left(DURATION_CELLS - duration.cell_length).plain, "$foreground-muted")
        )
        tail = sum(column.cell_length + 1 for column in right)
        if row.is_yours and name.cell_length + len(YOURS) + tail + 4 <= width:
            name = name + Content.styled(YOURS, "$foreground-muted")
        return columns(width, name, right, gap=" ")


def short_duration(text: str) -> str:
    """`1 min on 2 CPU cores` without the machine: 1 min; a dash where it says no figure."""
    if not any(character.isdigit() for character in text):
        return UNKNOWN
    return plain_line(text).partition(" on ")[0].partition(",")[0].removeprefix("about ")
