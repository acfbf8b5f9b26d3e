"""StepWindow: which steps the charts of a run show, the same in all of them, and which step is read."""

from __future__ import annotations

from collections.abc import Callable

from cockpit.ui.widgets.axis import round_step

SHORTEST = 16
"""Steps that are shown at least, where so many are planned."""
PRESENT_AT = 7 / 8
"""Where the newest step lies in a part of the run, as a share of its width, unless the run's start is shown."""
ROUNDED = 40
"""A part begins at a multiple of a round number of steps, of which so many, at least, are shown."""


class StepWindow:
    """Charts that are drawn above each other share one, so that a step stands at the same column in all of them.

    It shows the whole planned run, or a part of it. Where the newest step is in that part, the part goes on with the
    run, in leaps of an eighth, unless a step is read. `changed` of each chart that shares it is called when there is
    something to draw anew.
    """

    def __init__(self) -> None:
        self.newest = 0
        """The newest step that has ended."""
        self.label_cells = 0
        """Cells that the labels of values take at most in the charts that share it."""
        self._planned: int | None = None
        self._part: tuple[int, int] | None = None
        self._cursor: int | None = None
        self._is_read = False
        self._listeners: list[Callable[[], None]] = []

    def share(self, changed: Callable[[], None]) -> None:
        """Another chart shows these steps."""
        self._listeners.append(changed)

    # What is shown

    @property
    def first(self) -> int:
        """The first step that is shown; 0 stands for the time before the training."""
        return self._part[0] if self._part else 0

    @property
    def last(self) -> int:
        """The last step that is shown."""
        return self._part[1] if self._part else self.end

    @property
    def end(self) -> int:
        """The last step of the run: as planned, or as far as it has come where that is more or no plan is known."""
        if self._planned is None:
            return 1 << (max(self.newest, SHORTEST) - 1).bit_length()
        return max(self._planned, self.newest, 1)

    @property
    def is_whole(self) -> bool:
        """Whether the whole run is shown."""
        return self._part is None

    @property
    def cursor(self) -> int | None:
        """The step that is read; None where none is."""
        if not self._is_read:
            return None
        return self.newest if self._cursor is None else self._cursor

    # As the run goes

    def set_planned(self, steps: int | None) -> None:
        """How many steps are planned."""
        if steps != self._planned:
            self._planned = steps
            self._fit()
            self._tell()

    def set_newest(self, step: int) -> None:
        """The newest step that has ended; an earlier one than before where a resume went back."""
        if step == self.newest:
            return
        was_shown, end = self.first <= self.newest <= self.last, self.end
        self.newest = step
        if was_shown and step > self.last and self._cursor is None:
            self._show(step - round(PRESENT_AT * (self.last - self.first)), self.last - self.first)
            self._tell()
        elif self.end != end or self._is_read:
            self._fit()
            self._tell()

    def widen_labels(self, cells: int) -> None:
        """Labels of values take so many cells in one of the charts: the others leave as much room."""
        if cells > self.label_cells:
            self.label_cells = cells
            self._tell()

    # What is asked

    def zoom(self, factor: float, around: int | None = None) -> None:
        """Show `factor` times as many steps. `around` keeps its place; by default the cursor does, where none was
        moved, the newest step stays in sight."""
        span = self.last - self.first
        wanted = max(min(SHORTEST, self.end), round(span * factor))
        anchor = self._cursor if around is None else around
        if anchor is not None and self.first <= anchor <= self.last:
            begin = anchor - round((anchor - self.first) / span * wanted)
        elif self.first <= self.newest <= self.last:
            begin = self.newest - round(PRESENT_AT * wanted)
        else:
            begin = (self.first + self.last - wanted) // 2
        self._show(begin, wanted)
        if anchor is not None and not self.first <= anchor <= self.last:
            self._part = (anchor, anchor + wanted) if anchor < self.first else (anchor - wanted, anchor)
        self._tell()

    def pan(self, share: float) -> None:
        """Go on by this share of what is shown; back where it is below 0."""
        span = self.last - self.first
        self._show(self.first + round(share * span), span)
        self._tell()

    def show_all(self) -> None:
        """The whole run."""
        self._part = None
        self._tell()

    def read(self, is_read: bool) -> None:
        """Whether a step is read: at first the newest, then the one that the cursor was moved to."""
        if is_read != self._is_read:
            self._is_read = is_read
            self._tell()

    def move_cursor(self, steps: int) -> None:
        """Read a later step; an earlier one where it is below 0."""
        at = self.newest if self._cursor is None else self._cursor
        self.put_cursor(at + steps)

    def put_cursor(self, step: int | None) -> None:
        """Read this step, and see that it is shown; None: the newest one from now on."""
        self._cursor = None if step is None else max(0, min(step, self.end))
        at = self.newest if self._cursor is None else self._cursor
        if not self.first <= at <= self.last:
            span = self.last - self.first
            self._show(at - span // 8 if at < self.first else at - round(PRESENT_AT * span), span)
        self._tell()

    def _show(self, first: int, span: int) -> None:
        """Show so many steps from about `first` on: from a round number, which is easier to read."""
        unit = max(1, int(round_step(span, ROUNDED)))
        first = max(0, min(round(first / unit) * unit, self.end - span))
        self._part = (first, first + span) if span < self.end else None

    def _fit(self) -> None:
        """The run may have become shorter."""
        if self._part:
            self._show(self._part[0], self._part[1] - self._part[0])
        if self._cursor is not None:
            self._cursor = min(self._cursor, self.end)

    def _tell(self) -> None:
        for changed in self._listeners:
            changed()
