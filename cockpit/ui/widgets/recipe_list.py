"""RecipeList: every recipe with what it needs and about how long it takes; broken ones with what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from cockpit.text.numbers import UNKNOWN
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.forecast_facts import fit_sign
from cockpit.ui.widgets.marked_list import MarkedList, columns

if TYPE_CHECKING:
    from cockpit.preflight.memory import Fit

GAP = " "
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
    title: str = ""
    fit: Fit | None = None
    """Whether it fits into the GPU that it would take here; None where that is not known."""


@dataclass(frozen=True)
class Column:
    """One of the columns behind the name: `cells` wide, there in lists of `least` cells and more."""

    head: str
    cells: int
    least: int
    text: Callable[[RecipeRow], str]
    style: str = ""
    is_text: bool = False
    """Whether it is read from its left end; a number stands at the right end."""
    style_of: Callable[[RecipeRow], str] | None = None
    """In place of `style`, where it hangs on the row."""

    def content(self, text: str, style: str = "") -> Content:
        """The text, as wide as the column."""
        shown = Content(plain_line(text)).truncate(self.cells, ellipsis=True)
        missing = self.cells - shown.cell_length
        return (shown.pad_right(missing) if self.is_text else shown.pad_left(missing)).stylize(style)


COLUMNS = (
    Column("what it does", 36, 74, lambda row: row.title, "$foreground-muted", is_text=True),
    Column("fits", 4, 44, lambda row: fit_sign(row.fit)[0], style_of=lambda row: fit_sign(row.fit)[1]),
    Column("needs", 8, 34, lambda row: row.needs),
    Column("takes", 9, 0, lambda row: short_duration(row.duration), "$foreground-muted"),
)


class RecipeList(MarkedList):
    """Highlighting a row shows its card; Enter starts it."""

    NAME = "recipes"
    EMPTY = "none found"
    HELP = (
        "The recipes: yours first, then cockpit's own. Beside each stand whether it fits into the GPU here now (✓ "
        "fits, ▲ tight, ✗ does not, – not known), the smallest machine that runs it (CPU, or GiB of VRAM) and about "
        "how long it takes.\nEnter starts the marked one, e opens it in the editor, / filters.\n"
        "A recipe of your own is a YAML file in your recipe folder."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "start", id="recipes.start", tooltip="Train the marked recipe", show=True),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._rows: Sequence[RecipeRow] = ()

    def set_rows(self, rows: Sequence[RecipeRow], of: int | None = None) -> None:
        """Show these recipes; `of` how many, where others are filtered out."""
        name = self.NAME if of is None else f"{self.NAME} · {len(rows)} of {of}"
        if (rows, name) != (self._rows, self.name_shown):
            self._rows, self.name_shown = rows, name
            self.draw_rows()

    def row_ids(self) -> Sequence[str]:
        return [row.key for row in self._rows]

    def heads(self, width: int) -> Sequence[Content]:
        return [Content(GAP).join(column.content(column.head) for column in _columns(width))]

    def row_content(self, index: int, width: int) -> Content:
        row = self._rows[index]
        name = Content(plain_line(row.name))
        if row.problem:
            return columns(width, Content.assemble(("✗ ", "$error"), name), [Content.styled("broken", "$error")])
        right = []
        for column in _columns(width):
            style = column.style if column.style_of is None else column.style_of(row)
            right.append(column.content(column.text(row), style))
        tail = sum(column.cell_length + 1 for column in right)
        if row.is_yours and name.cell_length + len(YOURS) + tail + 4 <= width:
            name = name + Content.styled(YOURS, "$foreground-muted")
        return columns(width, name, right, gap=GAP)


def _columns(width: int) -> list[Column]:
    """Those that a list of this width has room for."""
    return [column for column in COLUMNS if width >= column.least]


def short_duration(text: str) -> str:
    """`1 min on 2 CPU cores` without the machine: 1 min; a dash where it says no figure."""
    if not any(character.isdigit() for character in text):
        return UNKNOWN
    return plain_line(text).partition(" on ")[0].partition(",")[0].removeprefix("about ")
