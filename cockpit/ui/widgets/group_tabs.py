"""GroupTabs: the groups of a form, one below the other, or in a row where there is one line only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget


class GroupTabs(Widget, can_focus=True):
    """Tells which group is asked for; shows how many changes and errors each holds."""

    HELP = (
        "The groups of fields. Up and down (or left and right) go to another, Enter goes into its fields.\n"
        "* counts changed fields, ✗ fields with something wrong. Page up and page down change the group from anywhere."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,right", "move(1)", "next group", id="groups.next", tooltip="Show the next group", show=False),
        Binding("up,left", "move(-1)", "group before", id="groups.previous", tooltip="Show the group before",
                show=False),
        Binding("enter", "enter", "its fields", id="groups.enter", tooltip="Go to the group's first field"),
    ]  # fmt: skip

    chosen: reactive[str] = reactive("")
    """The group that is shown."""

    class Chosen(Message):
        """A group is asked for; `enter` to go into its fields."""

        def __init__(self, group: str, *, enter: bool = False) -> None:
            super().__init__()
            self.group = group
            self.enter = enter

    def __init__(
        self, groups: Sequence[str], extra: str = "", *, id: str | None = None, classes: str | None = None
    ) -> None:
        """`extra` is one more tab, there only where the tabs stand in a row."""
        super().__init__(id=id, classes=classes)
        self._all = list(groups)
        self._extra = extra
        self._counts: Mapping[str, tuple[int, int]] = {}

    @property
    def _is_row(self) -> bool:
        return self.size.height <= 1

    @property
    def _groups(self) -> list[str]:
        return [*self._all, self._extra] if self._extra and self._is_row else self._all

    def set_counts(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """Changed fields and errors of each group."""
        if counts != self._counts:
            self._counts = counts
            self.refresh()

    def render(self) -> Content:
        """A line a group; or all in one line."""
        if not self._is_row:
            return Content("\n").join(self._line(group) for group in self._groups)
        return Content("  ").join(self._tab(group) for group in self._groups)

    def _line(self, group: str) -> Content:
        marks = self._marks(group)
        room = max(1, self.size.width - 2 - marks.cell_length)
        name = Content(group).truncate(room, ellipsis=True).plain.ljust(room)
        if group != self.chosen:
            return Content.assemble("  ", name, marks)
        style = "bold $block-cursor-foreground on $block-cursor-background" if self.has_focus else "bold $primary"
        return Content.assemble("▸ ", name, marks).stylize_before(style)

    def _tab(self, group: str) -> Content:
        marks = self._marks(group)
        name = Content.assemble(group, " " if marks else "", marks)
        if group != self.chosen:
            return Content.assemble(" ", (name.plain, "$foreground-muted") if not marks else name, " ")
        return Content.assemble("▸", name, " ").stylize_before("bold reverse" if self.has_focus else "bold $primary")

    def _marks(self, group: str) -> Content:
        changed, wrong = self._counts.get(group, (0, 0))
        parts = []
        if changed:
            parts.append(Content.styled(f"*{changed}", "$changed"))
        if wrong:
            parts.append(Content.styled(f"✗{wrong}", "$error"))
        return Content(" ").join(parts)

    def action_move(self, step: int) -> None:
        """Ask for the group `step` further, round the end."""
        at = self._groups.index(self.chosen) if self.chosen in self._groups else 0
        self.post_message(self.Chosen(self._groups[(at + step) % len(self._groups)]))

    def action_enter(self) -> None:
        """Ask for the fields of the group that is shown."""
        self.post_message(self.Chosen(self.chosen, enter=True))

    def on_click(self, event: events.Click) -> None:
        """Ask for the group under the mouse."""
        if not self._is_row:
            if event.y < len(self._groups):
                self.post_message(self.Chosen(self._groups[event.y]))
            return
        end = 0
        for group in self._groups:
            end += self._tab(group).cell_length + 2
            if event.x < end:
                self.post_message(self.Chosen(group))
                return
