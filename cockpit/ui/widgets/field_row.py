"""FieldRow: one field of a form: mark, label, control, unit, and what is wrong with it under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.completing_entry import CompletingEntry, Offers
from cockpit.ui.widgets.entry import EMPTY, Entry
from cockpit.ui.widgets.number_entry import NumberEntry

if TYPE_CHECKING:
    from cockpit.recipe.fields import FormField

LABEL_CELLS, WIDE_LABEL_CELLS = 31, 39
WIDE = 90
"""Cells of a row from which on the label gets more of them."""
UNIT_CELLS = 12
"""Cells of the longest unit, evaluations, with the gap before it: kept free behind every number."""
NUMBERS = ("int", "float")
YES_AND_NO = {"true": "on", "false": "off"}


class Meaning(NamedTuple):
    """Of one field: why it changes nothing, empty where it does; and what it comes to while it is empty."""

    moot: str
    unset: str


class FieldRow(Widget):
    """Given the field and its text. Tells what is typed by FieldRow.Edited; whether that is right, others say.

    Label, unit and error are drawn by the row itself: a form of widgets for each would be slow to build and to style.
    """

    DEFAULT_CSS = "FieldRow { height: 1; }"

    class Edited(Message):
        """The field's text is another one now."""

        def __init__(self, path: str, text: str) -> None:
            super().__init__()
            self.path = path
            self.text = text

    def __init__(self, field: FormField, text: str, offers: Offers | None = None, unset: str = "") -> None:
        """`offers` completes a field of kind path; `unset` is what it comes to while it is empty."""
        super().__init__()
        self.field = field
        self._text = text
        self._error = ""
        self._is_changed = False
        self._is_moot = False
        self._control: Entry | Choice | CompletingEntry
        if field.kind in ("choice", "bool"):
            named = YES_AND_NO if field.kind == "bool" else {choice: choice for choice in field.choices}
            if field.optional:
                named = {"": _empty(unset)} | named
            self._control = Choice(list(named), text, labels=list(named.values()), help=help_text(field))
        else:
            kind = NumberEntry if field.kind in NUMBERS else Entry
            placeholder = _empty(unset) if field.optional or unset else ""
            if field.kind == "path" and offers is not None:
                self._control = CompletingEntry(offers, text, placeholder=placeholder, help=help_text(field))
            else:
                self._control = kind(text, placeholder=placeholder, help=help_text(field))

    def compose(self) -> ComposeResult:
        """The control; all else is drawn."""
        self._control.styles.margin = (0, self._unit_cells, 0, LABEL_CELLS)
        yield self._control

    def render(self) -> Content:
        """Label and unit, and below them what is wrong."""
        is_focused = self.has_focus_within
        style = "$foreground 80%"
        if self._error or is_focused or self._is_moot:
            style = "$error" if self._error else "bold $primary" if is_focused else "$foreground-disabled"
        mark = ("* ", "$changed") if self._is_changed else "  "
        label = Content.assemble(mark, (self.field.label, style)).truncate(self._label_cells - 1, ellipsis=True)
        unit = Content.styled(self.field.unit, "$foreground 60%")
        gap = max(1, self.size.width - label.cell_length - self._unit_cells + 1)
        return Content("\n").join([Content.assemble(label, " " * gap, unit), *self._error_lines()])

    def _error_lines(self) -> list[Content]:
        if not self._error:
            return []
        wrapped = Content(self._error).wrap(max(10, self.size.width - 4))
        return [
            Content.assemble(("  ✗ " if n == 0 else "    "), line).stylize("$error") for n, line in enumerate(wrapped)
        ]

    def on_resize(self) -> None:
        """The label takes its share, the error as many lines as the width makes of it."""
        self._place_control()
        self._fit()

    @property
    def _label_cells(self) -> int:
        return WIDE_LABEL_CELLS if self.size.width >= WIDE else LABEL_CELLS

    @property
    def _unit_cells(self) -> int:
        return UNIT_CELLS if self.field.unit or self.field.kind in NUMBERS else 0

    def _place_control(self) -> None:
        margin = (0, self._unit_cells, 0, self._label_cells)
        if self._control.styles.margin != margin:
            self._control.styles.margin = margin

    def on_descendant_focus(self) -> None:
        """The label of the focused field stands out."""
        self.refresh()

    def on_descendant_blur(self) -> None:
        """And no longer."""
        self.refresh()

    def _fit(self) -> None:
        height = 1 + len(self._error_lines())
        if height != self.size.height:
            self.styles.height = height

    @property
    def control(self) -> Entry | Choice:
        """The widget that takes the focus."""
        return self._control.entry if isinstance(self._control, CompletingEntry) else self._control

    @property
    def text(self) -> str:
        """What the field shows."""
        return self.control.value

    def show_text(self, text: str) -> None:
        """Show a text that was not typed here; nothing is told."""
        if text != self.control.value:
            self._text = text
            self.control.value = text

    def set_state(self, *, is_changed: bool, error: str, is_moot: bool = False, unset: str = "") -> None:
        """Mark the field as changed, say what is wrong with it (nothing where it is right), dim it where it changes
        nothing, and show what it comes to while it is empty."""
        if unset and not isinstance(self.control, Choice):
            self.control.placeholder = _empty(unset)
        error = plain_line(error)
        if (is_changed, error, is_moot) == (self._is_changed, self._error, self._is_moot):
            return
        self.control.set_class(bool(error), "-wrong")
        self.control.set_class(is_moot, "-moot")
        self._is_changed, self._error, self._is_moot = is_changed, error, is_moot
        self._fit()
        self.refresh()

    @property
    def error(self) -> str:
        """What is said to be wrong with it."""
        return self._error

    @on(Choice.Changed)
    def _on_choice(self, event: Choice.Changed) -> None:
        event.stop()
        self._tell(event.value)

    @on(Input.Changed)
    def _on_input(self, event: Input.Changed) -> None:
        event.stop()
        self._tell(event.value)

    def _tell(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self.post_message(self.Edited(self.field.path, text))


def _empty(unset: str) -> str:
    return f"{EMPTY} {unset}" if unset else EMPTY


def help_text(field: FormField) -> str:
    """The field's help with its bounds and default, as F1 and the line under the form show it."""
    bounds = bounds_text(field)
    default = default_text(field)
    return " · ".join(filter(None, (plain_line(field.help), bounds, default)))


def bounds_text(field: FormField) -> str:
    """Which values the field takes: `whole number, 16 to 1,048,576`."""
    kind = {"int": "whole number", "float": "number", "names": "names with commas between"}.get(field.kind, "")
    if field.kind == "names" and field.choices:
        kind += f", or {', '.join(field.choices)}"
    low, high = field.minimum, field.maximum
    ends = ""
    if low is not None:
        ends = f"above {low:,g}" if field.exclusive_minimum else f"from {_number(low)}"
    if high is not None:
        ends += f" and below {_number(high)}" if field.exclusive_maximum else f" to {_number(high)}"
    return " ".join(filter(None, (kind, ends.strip())))


def default_text(field: FormField) -> str:
    """What stands where the recipe says nothing: `default 16`."""
    from cockpit.recipe.fields import format_value

    if field.default is None:
        return ""
    text = YES_AND_NO.get(format_value(field.default), format_value(field.default))
    return f"default {text}" if text and len(text) <= 24 else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"
