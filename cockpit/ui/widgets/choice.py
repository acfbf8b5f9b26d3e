"""Choice: one of a few values, all of them in sight where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

GAP = 2


class Choice(Widget, can_focus=True):
    """Left and right (or space) take the next value; a letter takes the next value that begins with it."""

    DEFAULT_CSS = """
    Choice {
        height: 1;
        padding: 0 1;
        text-wrap: nowrap;
        &:focus { background: $block-cursor-background; }
        &.-wrong { background: $error 25%; }
    }
    """
    HELP = (
        "Left, right or space take another value, a letter the next one that begins with it; a click takes that value."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space", "move(1)", "next value", id="choice.next", tooltip="Take the next value",
                key_display="←→"),
        Binding("left", "move(-1)", "value before", id="choice.previous", tooltip="Take the value before", show=False),
    ]  # fmt: skip

    value: reactive[str] = reactive("")
    """The value that is taken."""

    class Changed(Message):
        """Another value was taken."""

        def __init__(self, choice: Choice, value: str) -> None:
            super().__init__()
            self.choice = choice
            self.value = value

        @property
        def control(self) -> Choice:
            return self.choice

    def __init__(
        self, values: Sequence[str], value: str, *, labels: Sequence[str] = (), id: str | None = None, help: str = ""
    ) -> None:
        """`labels` are shown in place of the values where given."""
        super().__init__(id=id)
        self._values = tuple(values)
        self._labels = tuple(labels) or self._values
        self.set_reactive(Choice.value, value)
        self.own_help = help
        """Goes before HELP where it is given."""

    def watch_value(self, value: str) -> None:
        """Tell."""
        self.post_message(self.Changed(self, value))

    def render(self) -> Content:
        """All values with the taken one marked; only that one and its place where there is no room."""
        if self._fits():
            parts = [self._part(index, label) for index, label in enumerate(self._labels)]
            return Content(" " * GAP).join(parts)
        at = self._at()
        label = self._labels[at] if at is not None else self.value
        place = f"  {at + 1 if at is not None else '–'} of {len(self._values)}"
        taken = Content.assemble("◂ ", (label, "bold"), " ▸")
        whole = taken + Content.styled(place, "$foreground-muted")
        return whole if whole.cell_length <= self.content_size.width else taken

    def _part(self, index: int, label: str) -> Content:
        if index == self._at():
            style = "$foreground-disabled" if self.has_class("-moot") else ""
            return Content.assemble(("● ", style or "$primary"), (label, style or "bold"))
        return Content.assemble(("○ ", "$foreground-disabled"), (label, "$foreground-muted"))

    def _fits(self) -> bool:
        return sum(len(label) + 2 for label in self._labels) + GAP * (len(self._labels) - 1) <= self.size.width

    def _at(self) -> int | None:
        return self._values.index(self.value) if self.value in self._values else None

    def action_move(self, step: int) -> None:
        """Take the value `step` further, round the end."""
        at = self._at()
        self.value = self._values[0 if at is None else (at + step) % len(self._values)]

    def on_key(self, event: events.Key) -> None:
        """A letter takes the next value that begins with it."""
        if event.character is None or not event.character.isalnum():
            return
        at = self._at() or 0
        following = [*range(at + 1, len(self._values)), *range(at + 1)]
        found = next((index for index in following if self._labels[index].startswith(event.character)), None)
        if found is not None:
            event.stop()
            self.value = self._values[found]

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Letters mean values here, never a key of the screen: in a form, q is no way to leave. `?` is help."""
        return character is not None and character.isprintable() and character != "?"

    def on_click(self, event: events.Click) -> None:
        """Take the value under the mouse, or the next one."""
        if not self._fits():
            self.action_move(-1 if event.x <= 2 else 1)
            return
        end = self.styles.padding.left
        for index, label in enumerate(self._labels):
            end += len(label) + 2 + GAP
            if event.x < end:
                self.value = self._values[index]
                return
