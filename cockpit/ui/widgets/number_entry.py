"""NumberEntry: an Entry whose text stands at its right end, so that the numbers of a form stand one above the other"""

from __future__ import annotations

from textual.geometry import Offset
from textual.strip import Strip

from cockpit.ui.widgets.entry import Entry


class NumberEntry(Entry):
    """As Entry, beginning where its text just fits; the last cell is the cursor's."""

    @property
    def _lead(self) -> int:
        """Cells before the text."""
        room = self.scrollable_content_region.width
        return max(0, room - self.content_width - (0 if self.value else 1))

    @property
    def cursor_screen_offset(self) -> Offset:
        """Where the cursor stands on the screen."""
        return super().cursor_screen_offset + Offset(self._lead, 0)

    def render_line(self, y: int) -> Strip:
        """One line; what is before the text has the background of the rest."""
        strip = super().render_line(y)
        lead = self._lead if y == 0 else 0
        if not lead:
            return strip
        blank = Strip.blank(lead, self.rich_style)
        return Strip.join([blank, strip.crop(0, strip.cell_length - lead)])

    def _cell_offset_to_index(self, offset: int) -> int:
        return super()._cell_offset_to_index(max(0, offset - self._lead))
