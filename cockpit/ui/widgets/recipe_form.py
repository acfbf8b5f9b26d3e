"""RecipeForm: the fields of one group at a time. A group is built when it is first shown, and kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from textual.containers import VerticalGroup, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from cockpit.ui.widgets.completing_entry import Offers
from cockpit.ui.widgets.field_row import FieldRow, Meaning

if TYPE_CHECKING:
    from cockpit.recipe.fields import FormField


class MoreFields(Static):
    """The last line of a group: how many fields it has that are not shown, and how they come to be."""

    class Asked(Message):
        """A click on it."""

    DEFAULT_CSS = """
    MoreFields { height: 1; padding: 0 2; color: $foreground-muted; }
    """

    def show(self, count: int) -> None:
        """So many; nothing where there are none."""
        self.display = count > 0
        self.update(Content(f"{count} more field{'s' * (count != 1)} at their defaults: F9"))

    def on_click(self) -> None:
        """As the key."""
        self.post_message(self.Asked())


class RecipeForm(VerticalScroll, can_focus=False, inherit_bindings=False):
    """Given fields, texts, errors and changes; tells what is typed (FieldRow.Edited) and where the focus is.

    The arrow keys go from field to field, and the form scrolls along: it has no scrolling keys of its own.
    """

    DEFAULT_CSS = """
    RecipeForm { scrollbar-size-vertical: 1; }
    """

    class FieldFocused(Message):
        """The focus went to a field."""

        def __init__(self, field: FormField) -> None:
            super().__init__()
            self.field = field

    def __init__(
        self,
        groups: Mapping[str, Sequence[FormField]],
        text_of: Callable[[str], str],
        unset_of: Callable[[str], str],
        offers_of: Callable[[FormField], Offers | None],
        *,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """`text_of` gives the text of a field's path, `unset_of` what it comes to while it is empty, `offers_of` what
        completes a field, if anything does."""
        super().__init__(id=id, classes=classes)
        self._groups = groups
        self._text_of = text_of
        self._unset_of = unset_of
        self._offers_of = offers_of
        self._built: dict[str, VerticalGroup] = {}
        self._rows: dict[str, FieldRow] = {}
        self._more: dict[str, MoreFields] = {}
        self.group = ""

    async def show_group(self, group: str) -> None:
        """Show a group's fields, from their beginning."""
        self.group = group
        self.border_title = Content(group)
        if group not in self._built:
            rows = [self._row(field) for field in self._groups[group]]
            self._rows |= {row.field.path: row for row in rows}
            self._more[group] = MoreFields()
            self._built[group] = VerticalGroup(*rows, self._more[group])
            await self.mount(self._built[group])
        for name, box in self._built.items():
            box.display = name == group
        self.scroll_home(animate=False)

    def _row(self, field: FormField) -> FieldRow:
        return FieldRow(field, self._text_of(field.path), self._offers_of(field), self._unset_of(field.path))

    def set_states(
        self,
        errors: Mapping[str, str],
        changed: Collection[str],
        meaning: Mapping[str, Meaning],
        left_out: Collection[str] = (),
        rare: Collection[str] = (),
    ) -> None:
        """Mark errors, changes and what changes nothing on the fields that have been built, and show all but those that
        are left out. How many `rare` ones a group does not show is said at its end."""
        for path, row in self._rows.items():
            row.display = path not in left_out and path not in rare
            moot, unset = meaning.get(path, ("", ""))
            row.set_state(is_changed=path in changed, error=errors.get(path, ""), is_moot=bool(moot), unset=unset)
        for group, line in self._more.items():
            line.show(sum(field.path in rare and field.path not in left_out for field in self._groups[group]))

    def texts(self) -> dict[str, str]:
        """What stands in the fields that have been built, typed a moment ago or not."""
        return {path: row.text for path, row in self._rows.items()}

    def refresh_texts(self, paths: Collection[str] | None = None) -> None:
        """Take the texts of `paths` anew (None: of all): after a reset, or for fields that went along with another.

        Never after mere typing: what a field shows may then be newer than what is known of it here.
        """
        for path, row in self._rows.items():
            if paths is None or path in paths:
                row.show_text(self._text_of(path))

    @property
    def focused_path(self) -> str | None:
        """The field that has the focus."""
        row = self._row_of(self.screen.focused)
        return row.field.path if row is not None else None

    def focus_field(self, path: str) -> None:
        """Give the focus to a field of the group that is shown; at once, as the next key may be waiting already."""
        self.screen.set_focus(self._rows[path].control)

    def focus_end(self, direction: int) -> None:
        """Go to the first field of the group where `direction` is on, to the last where it is back."""
        shown = self._shown()
        if shown:  # none is while the form is being removed
            self.focus_field(shown[0 if direction > 0 else -1])

    def _shown(self) -> list[str]:
        return [field.path for field in self._groups[self.group] if self._rows[field.path].display]

    def step(self, direction: int) -> bool:
        """Go `direction` fields on within the group. False at its end, or where the focus is elsewhere."""
        paths, here = self._shown(), self.focused_path
        at = paths.index(here) + direction if here in paths else -1
        if not 0 <= at < len(paths):
            return False
        self.focus_field(paths[at])
        return True

    def on_descendant_focus(self) -> None:
        """Tell which field has the focus, and keep its error in sight."""
        row = self._row_of(self.screen.focused)
        if row is not None:
            self.scroll_to_widget(row, animate=False)
            self.post_message(self.FieldFocused(row.field))

    def _row_of(self, widget: Widget | None) -> FieldRow | None:
        if widget is None:
            return None
        return next((node for node in widget.ancestors_with_self if isinstance(node, FieldRow)), None)
