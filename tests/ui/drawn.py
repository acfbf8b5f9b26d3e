"""What a widget has drawn, and states of a run to draw."""

from rich.style import Style
from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget

from cockpit.protocol import events as ev
from cockpit.runs.folder import RunDir
from cockpit.runs.state import RunState
from cockpit.ui.widgets.braille import BrailleCanvas
from tests.ui.stage import recorded

HOSTILE = "\x1b[31mred\x1b]0;title\x07[bold]not markup[/bold]\x00"
SHOWN = "red[bold]not markup[/bold]"


def text_of(widget: Widget) -> list[str]:
    """What stands on the widget's content, row by row."""
    content = Region(widget.gutter.left, widget.gutter.top, *widget.size)
    lines = widget.render_lines(content) if widget.size else []
    return ["".join(segment.text for segment in strip).rstrip() for strip in lines]


def rows_of(canvas: BrailleCanvas) -> list[str]:
    """What a canvas shows, row by row."""
    return [strip.text for strip in canvas.strips([Style()] * 16)]


def plain(title: object) -> str:
    """A border's title or subtitle as it is shown."""
    return Content.from_markup(str(title)).plain


def all_text(widget: Widget) -> str:
    return "\n".join(text_of(widget))


def state_of(run: RunDir) -> RunState:
    state = RunState()
    for event in recorded(run):
        state.apply(event)
    return state


def steps_to(count: int, loss: float = 2.0) -> RunState:
    state = RunState()
    for step in range(1, count + 1):
        state.apply(
            ev.StepEnded(
                step=step,
                total_steps=100,
                epoch=step / 50,
                step_time_s=1.0,
                at=float(step),
                metrics={"loss": loss + 1 / step, "learning_rate": 1e-4},
            )
        )
    return state
