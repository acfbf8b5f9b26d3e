"""FigureList: what a data report comes to, a figure a line"""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from cockpit.data.report import DataReport
from cockpit.data.report_text import Figure, figures_of
from cockpit.ui.widgets.glyphs import glyphs

NAME_CELLS, VALUE_CELLS = 12, 8


class FigureList(Widget):
    """Name, value, and of what it is the value."""

    HELP = (
        "Figures of the rows that were looked at. A step's tokens are those of its batches without padding; padding is "
        "its share of what a batch holds, in the mean over several orders of the rows."
    )
    DEFAULT_CSS = """
    FigureList { height: auto; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._figures: list[Figure] = []
        self.border_title = Content("what training sees")

    def show(self, report: DataReport) -> None:
        """Show this report's figures."""
        self._figures = figures_of(report)
        self.refresh(layout=True)

    def render(self) -> Content:
        """The lines."""
        return Content("\n").join(map(_line, self._figures))


def _line(figure: Figure) -> Content:
    sign = f"{glyphs().warn} " if figure.warns else ""
    value = f"{sign}{figure.value}"
    return Content.assemble(
        (f"{figure.name:<{NAME_CELLS}}", "$foreground-muted"),
        (f"{value:>{VALUE_CELLS}}", "$warning" if figure.warns else "bold"),
        f"  {figure.note}",
    )
