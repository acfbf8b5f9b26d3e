"""StepChart: a plot over the steps of a run, with keys and a mouse way to zoom, to pan and to read a step."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset

from cockpit.ui.widgets.axis import Axis, StepAxis
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.plot import Frame, Plot
from cockpit.ui.widgets.step_window import StepWindow

ZOOM = 0.5
"""What a step of zooming makes of the number of steps that are shown."""
PAN = 0.25
"""Of what is shown."""


class StepChart(Plot):
    """Charts that are given the same window show the same steps, in the same columns, and can have the focus; one that
    is given none shows the whole run."""

    KEYS_HELP = (
        "The arrow keys read one step after the other, a click reads the one under the mouse; + and - zoom, as the "
        "wheel does, Shift with an arrow pans, and 0 shows the whole run again."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "read(-1)", "read back", id="chart.back", tooltip="Read an earlier step"),
        Binding("right", "read(1)", "on", id="chart.on", tooltip="Read a later step"),
        Binding("plus,equals_sign", "zoom_in", "zoom", id="chart.zoom_in", tooltip="Show fewer steps, in more detail",
                key_display="+"),
        Binding("minus", "zoom_out", "out", id="chart.zoom_out", tooltip="Show more steps", key_display="-"),
        Binding("0", "show_all", "whole run", id="chart.show_all", tooltip="Show the whole run"),
        Binding("shift+left,pageup", "pan(-1)", "pan back", id="chart.pan_back", tooltip="Show what was before",
                show=False),
        Binding("shift+right,pagedown", "pan(1)", "pan on", id="chart.pan_on", tooltip="Show what comes after",
                show=False),
        Binding("ctrl+left", "read(-10)", "far back", id="chart.far_back", tooltip="Read a much earlier step",
                show=False),
        Binding("ctrl+right", "read(10)", "far on", id="chart.far_on", tooltip="Read a much later step", show=False),
        Binding("home", "read_first", "first step", id="chart.first", tooltip="Read the first step", show=False),
        Binding("end", "read_newest", "newest step", id="chart.newest",
                tooltip="Read the newest step, and follow the run", show=False),
    ]  # fmt: skip

    def __init__(self, window: StepWindow | None = None, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.window = window or StepWindow()
        self.can_focus = window is not None
        self._frame: Frame | None = None
        """What was drawn last."""
        self.window.share(self.window_changed)

    def window_changed(self) -> None:
        """Other steps are to be shown, or another one is read."""
        self.changed()

    def set_total(self, steps: int | None) -> None:
        """How many steps are planned."""
        self.window.set_planned(steps)

    def frame(self, width: int, height: int, axis: Axis, ink: int) -> Frame:
        """An empty chart with these values at its left and the steps of the window under it."""
        window = self.window
        window.widen_labels(max((len(label) for label in axis.labels), default=0))
        self._frame = Frame(width, height, axis, window.first, window.last, ink, window.label_cells)
        return self._frame

    def draw_cursor(self, frame: Frame, ink: int) -> None:
        """A line at the step that is read, where it hides nothing."""
        step = self.window.cursor
        if step is None or not frame.first <= step <= frame.last:
            return
        column = frame.dot_column(step) // 2
        for row in range(frame.rows):
            if frame.canvas.is_empty(column, row, 1):
                frame.canvas.write(column, row, glyphs().read, ink)

    @property
    def steps_shown(self) -> StepAxis:
        """Where the steps of the window lie, in the width that was drawn last."""
        return StepAxis(self.window.first, self.window.last, self._frame.dots if self._frame else 2)

    def _step_under(self, at: Offset) -> int:
        assert self._frame is not None
        return self.steps_shown.step((at.x - self._frame.left) * 2 + 0.5)

    # What is asked

    def on_focus(self) -> None:
        """A step is read here."""
        self.window.read(True)

    def on_blur(self) -> None:
        """No longer."""
        self.window.read(False)

    def on_click(self, event: events.Click) -> None:
        """Read the step under the mouse."""
        at = event.get_content_offset(self)
        if self.can_focus and at is not None and self._frame is not None and at.x >= self._frame.left:
            self.window.put_cursor(self._step_under(at))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in to the step under the mouse."""
        self._zoom_at(event, ZOOM)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out."""
        self._zoom_at(event, 1 / ZOOM)

    def _zoom_at(self, event: events.MouseEvent, factor: float) -> None:
        at = event.get_content_offset(self)
        if self.has_focus and at is not None and self._frame is not None:
            event.stop()
            self.window.zoom(factor, self._step_under(at))

    def action_read(self, columns: int) -> None:
        """Move the cursor by columns of dots, by a step at least."""
        self.window.move_cursor(columns * max(1, round(self.steps_shown.steps_per_dot)))

    def action_read_first(self) -> None:
        """Read the first step of the run."""
        self.window.put_cursor(1)

    def action_read_newest(self) -> None:
        """Read the newest step, whichever it is."""
        self.window.put_cursor(None)

    def action_zoom_in(self) -> None:
        """Show fewer steps."""
        self.window.zoom(ZOOM)

    def action_zoom_out(self) -> None:
        """Show more steps."""
        self.window.zoom(1 / ZOOM)

    def action_pan(self, direction: int) -> None:
        """Show later steps, or earlier ones."""
        self.window.pan(direction * PAN)

    def action_show_all(self) -> None:
        """Show the whole run."""
        self.window.show_all()
