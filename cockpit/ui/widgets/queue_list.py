"""QueueList: recipes that wait for their turn, and what has become of those that had theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from cockpit.text.numbers import metric
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.marked_list import MarkedList, columns, room_beside

if TYPE_CHECKING:
    from cockpit.runs.queue import Waiting

STATE_CELLS, BEST_CELLS = 14, 9


@dataclass(frozen=True)
class QueueRow:
    """An entry; `number` is its place among those that wait, 0 for one that does not; `state` is a word. Of a grid or a
    search `best` is the best that was measured of its run, and `wins` says whether it is the best of all."""

    entry: Waiting
    number: int
    state: str
    best: float | None = None
    wins: bool = False


class QueueList(MarkedList):
    """Enter opens the run that an entry became."""

    NAME = "queue"
    EMPTY = "nothing waits; F3 in the editor, or a on a recipe, puts one here"
    HELP = (
        "Recipes that wait for their turn, in order. While the app is open it begins the first one once its GPU has "
        "room for it; so does 'cockpit queue run' anywhere. What fails holds nobody up.\n"
        "K and J, or shift with an arrow, move the marked one; delete takes it out, and leaves its run alone.\n"
        "Runs of a grid or a search show what was measured of them on held-out rows, the best one with a mark; w on "
        "any of them opens the winner's recipe."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "open", id="queue.open", tooltip="Show the run that the marked entry became",
                show=True),
        Binding("shift+up,K", "move(-1)", "up", id="queue.up", tooltip="Give the marked recipe an earlier turn",
                key_display="K"),
        Binding("shift+down,J", "move(1)", "down", id="queue.down", tooltip="Give the marked recipe a later turn",
                key_display="J"),
        Binding("w", "winner", "winner", id="queue.winner", tooltip="Edit the recipe of the best of a grid or search"),
        Binding("delete", "remove", "remove", id="queue.remove", tooltip="Take the marked entry out of the queue"),
    ]  # fmt: skip

    class Moved(Message):
        """An entry is to have this number."""

        def __init__(self, entry: Waiting, to: int) -> None:
            super().__init__()
            self.entry, self.to = entry, to

    class WinnerAsked(Message):
        """The recipe of the best run of a grid or a search is to be edited."""

        def __init__(self, group: str) -> None:
            super().__init__()
            self.group = group

    class Removed(Message):
        """An entry is to go."""

        def __init__(self, entry: Waiting) -> None:
            super().__init__()
            self.entry = entry

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self.rows: Sequence[QueueRow] = ()

    def set_rows(self, rows: Sequence[QueueRow]) -> None:
        """Show these."""
        if rows != self.rows:
            self.rows = rows
            self.draw_rows()
            self.refresh_bindings()

    @property
    def marked(self) -> QueueRow | None:
        """The entry that is marked."""
        at = self.highlighted
        return self.rows[at] if at is not None and at < len(self.rows) else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what waits can be moved; only a run can be opened, or why it did not become one."""
        row = self.marked
        if action == "select":
            return row is not None and not row.entry.is_waiting
        if action == "move":
            return row is not None and row.number > 0
        if action == "winner":
            return row is not None and bool(row.entry.group)
        if action == "remove":
            return row is not None
        return super().check_action(action, parameters)

    def watch_highlighted(self, highlighted: int | None) -> None:
        """Another one may be moved."""
        super().watch_highlighted(highlighted)
        self.refresh_bindings()

    def action_move(self, by: int) -> None:
        """Up or down."""
        row = self.marked
        if row is not None and row.number + by >= 1:
            self.post_message(self.Moved(row.entry, row.number + by))

    def action_winner(self) -> None:
        """Of the group that the marked entry is of."""
        row = self.marked
        if row is not None and row.entry.group:
            self.post_message(self.WinnerAsked(row.entry.group))

    def action_remove(self) -> None:
        """Out of the queue."""
        row = self.marked
        if row is not None:
            self.post_message(self.Removed(row.entry))

    def row_ids(self) -> Sequence[str]:
        return [row.entry.id for row in self.rows]

    def row_content(self, index: int, width: int) -> Content:
        row = self.rows[index]
        number = f"{row.number:>3} " if row.number else "    "
        left = Content.assemble(
            (number, "$foreground-muted"), (plain_line(row.entry.name), "bold" if row.number else "")
        )
        right = [Content(row.state.rjust(STATE_CELLS))]
        if row.entry.group:
            value = metric(row.best) if row.best is not None else ""
            text = f"{glyphs().done if row.wins else ' '} {value}".rjust(BEST_CELLS)
            right.insert(0, Content.styled(text, "$success" if row.wins else "$foreground-muted"))
        became = plain_line(row.entry.run or row.entry.why)
        room = room_beside(width, right, gap=" ") - left.cell_length - 2
        if became and room > 8:
            left = left.append(Content.styled(f"  {became[:room]}", "$foreground-muted"))
        return columns(width, left, right, gap=" ")
