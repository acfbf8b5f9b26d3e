"""ExportList: every form of export with its size and whether it can be had here."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from cockpit.launch.export_choices import ExportChoice
from cockpit.text.numbers import UNKNOWN, size
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.marked_list import MarkedList, columns

SIZE_CELLS, HERE_CELLS = 12, 6


class ExportList(MarkedList):
    """The marked form is the one that is taken."""

    NAME = "form"
    HELP = (
        "The forms: the adapter as it was trained, one model merged with its base in 16 or 4 bits, or one GGUF file "
        "for llama.cpp and Ollama. ~ is an estimate. Where a form cannot be had here, the line below says why."
    )

    def __init__(self, choices: Sequence[ExportChoice], *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self.choices = choices

    @property
    def marked(self) -> ExportChoice:
        """The form that is marked."""
        return self.choices[self.highlighted or 0]

    def row_ids(self) -> Sequence[str]:
        return [choice.form.name for choice in self.choices]

    def heads(self, width: int) -> Sequence[Content]:
        return [Content("about".rjust(SIZE_CELLS)), Content("here".rjust(HERE_CELLS))]

    def row_content(self, index: int, width: int) -> Content:
        choice, signs = self.choices[index], glyphs()
        about = size(choice.size_bytes) if choice.size_bytes is not None else UNKNOWN
        known = f"~ {about}" if choice.is_estimate and choice.size_bytes is not None else about
        sign, colour = (signs.failed, "$error") if choice.obstacle else (signs.done, "$success")
        name = Content(choice.form.name)
        if choice.obstacle:
            name = name.stylize("$foreground-muted")
        right = [Content(known.rjust(SIZE_CELLS)), Content.styled(sign.rjust(HERE_CELLS), colour)]
        return columns(width, name, right)
