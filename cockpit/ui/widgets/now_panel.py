"""NowPanel: the figures of the present step, each with its unit, its course and its direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from cockpit.protocol.events import LOSS
from cockpit.recipe.methods.method import Figure
from cockpit.runs.cost import cost, cost_in_all
from cockpit.runs.state import RunState
from cockpit.settings import Price
from cockpit.text import numbers
from cockpit.text.numbers import NOT_A_NUMBER, UNKNOWN
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.lines import Lines
from cockpit.ui.widgets.sparkline import sparkline, trend

LABEL_CELLS = 14
VALUE_CELLS = 10
SPARK_CELLS = 8
NOTE_CELLS = 16
"""Between the value and the right edge, with two blanks."""
SPLIT, PADDED = "  data, model", "  with padding"
SPARED = (
    PADDED,
    "samples/s",
    SPLIT,
    "energy",
    "cost",
    "  lowest",
    "  highest",
    "epoch",
    "learning rate",
    "grad norm",
    "checkpoint",
    "step time",
)
"""What is left out first where there is no room for all."""
COURSE_STEPS = 64
"""Steps that a sparkline looks back on."""


@dataclass(frozen=True)
class Row:
    """One figure. `course` is drawn as a sparkline; `direction` as trend() gives it, with `falling_is_good`."""

    label: str
    value: str
    course: Sequence[float | None] = ()
    direction: int | None = None
    falling_is_good: bool = False
    note: str = ""


class NowPanel(Lines):
    """`show` takes the run's state; nothing moves when a figure grows by a digit."""

    HELP = (
        "The figures of the present step. The gradient norm is taken before clipping; "
        "trained is the share of the tokens that the loss is taken on; behind a mark stands what the method "
        "measures of the held-out rows. Of a step's time data is the wait for its rows, "
        "model forward and backward, the rest is the optimizer's. Energy is what the GPUs have taken in this attempt; "
        "cost is the time of all attempts at the price that settings.yaml has for a GPU-hour."
    )
    DEFAULT_CSS = """
    NowPanel { height: auto; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: list[Row] = rows_of(RunState())
        self.border_title = Content("now")

    def show(self, state: RunState, price: Price | None = None, figures: Sequence[Figure] = ()) -> None:
        """Draw the present of the run, its cost where a price is set, and the `figures` of its method."""
        rows = rows_of(state, price, figures)
        if rows != self._rows:
            self._rows = rows
            self.redraw()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self._rows)

    def on_resize(self) -> None:
        """There may be room for more now, or for less."""
        self.redraw()

    def lines(self) -> list[Content]:
        rows, height = list(self._rows), self.content_size.height
        for label in SPARED if height else ():
            rows = [row for row in rows if len(rows) <= height or row.label != label]
        room = self.content_size.width - VALUE_CELLS - NOTE_CELLS
        label_cells = max(LABEL_CELLS, min(room, max(cell_len(row.label) for row in rows)))
        return [_line(row, label_cells) for row in rows]


def rows_of(state: RunState, price: Price | None = None, figures: Sequence[Figure] = ()) -> list[Row]:
    """The figures that are known of a run, those that are not as –; rows that say nothing of this run are left out.
    `figures` are those of its method."""
    steps, main = state.steps, state.main
    times, epoch = steps.recent("step_time_s", COURSE_STEPS), steps.latest("epoch")
    rows = [
        Row(
            plain_line(main.label),
            numbers.metric(steps.latest(main.name)),
            steps.recent(main.name, COURSE_STEPS),
            steps.direction_of(main.name),
            falling_is_good=not main.rises,
        ),
        *_held_out(state),
        *_of_method(state, [one for one in figures if one.name != main.name]),
        Row("grad norm", numbers.metric(steps.latest("grad_norm")), steps.recent("grad_norm", COURSE_STEPS)),
        Row("learning rate", numbers.learning_rate(steps.latest("learning_rate"))),
        Row("tokens/s", numbers.count(state.tokens_per_s()), note=_trained(state)),
        Row(PADDED, numbers.count(steps.batch_tokens_per_s())),
        Row("samples/s", _rate(state.samples_per_s())),
        Row("step time", _step_time(state), times[len(steps) <= COURSE_STEPS :]),
        _split(state),
        Row("epoch", f"{epoch:.2f}" if epoch is not None else UNKNOWN, note=_epochs(state)),
    ]
    if (energy := state.machine_use.energy_wh) is not None:
        rows.append(Row("energy", f"{energy:,.1f} Wh", note="of its GPUs"))
    if (spent := cost(state, price)) is not None:
        in_all = cost_in_all(state, price)
        rows.append(Row("cost", spent, note=f"of about {in_all}" if in_all else ""))
    if state.checkpoints:
        newest = state.checkpoints[-1]
        rows.append(Row("checkpoint", f"step {newest.step:,}", note=numbers.size(newest.size_bytes)))
    if state.adapter is not None:
        rows.append(Row("adapter", "saved", note=numbers.size(state.adapter.size_bytes)))
    return rows


def _of_method(state: RunState, figures: Sequence[Figure]) -> list[Row]:
    """Figures that TRL logs of each step, and beside each what it is of the held-out rows."""
    rows = []
    for figure in figures:
        course = state.steps.recent(figure.name, COURSE_STEPS)
        newest = state.steps.latest(figure.name)
        measured = [one.figures.get(f"eval_{figure.name}") for one in state.evaluations]
        held_out = next((value for value in reversed(measured) if value is not None), None)
        if newest is None and held_out is None:
            continue
        note = f"{glyphs().mark} {numbers.metric(held_out)}" if held_out is not None else ""
        direction = trend([value for value in course if value is not None], back=8) if figure.good else None
        course = [] if note else course
        rows.append(
            Row(
                figure.label,
                numbers.metric(newest),
                course,
                direction,
                falling_is_good=figure.good == "down",
                note=note,
            )
        )
    return rows


def _held_out(state: RunState) -> list[Row]:
    measured, rises = state.held_out_course, state.main.rises
    if not measured:
        return []
    course = [value for _, value in measured]
    at, best = min(measured, key=lambda one: (-one[1] if rises else one[1]) if math.isfinite(one[1]) else math.inf)
    start = f"at step {numbers.count(at)}" if at else "at the start"
    note = f"was {numbers.metric(course[-2])}" if len(course) > 1 else start
    newest = Row(
        "held-out loss" if state.main == LOSS else "  held out",
        numbers.metric(course[-1]),
        direction=trend(course, back=1),
        falling_is_good=not rises,
        note=note,
    )
    if len(course) == 1:
        return [newest]
    return [
        newest,
        Row(
            "  highest" if rises else "  lowest",
            numbers.metric(best),
            note=f"after step {numbers.count(at)}" if at else start,
        ),
    ]


def _trained(state: RunState) -> str:
    seen, trained = state.steps.latest("tokens_seen"), state.steps.latest("trained_tokens")
    if not seen or trained is None or not math.isfinite(trained / seen):
        return ""
    return f"{numbers.percent(trained / seen)} trained"


def _rate(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,.1f}" if value < 100 else numbers.count(value)


def _step_time(state: RunState) -> str:
    steps = state.steps
    times = steps.pace() or [*filter(math.isfinite, steps.step_time_s.raw(len(steps) - 1, len(steps)))]
    return f"{sorted(times)[len(times) // 2]:,.2f} s" if times else UNKNOWN


def _split(state: RunState) -> Row:
    shares = state.steps.shares()
    if shares is None:
        return Row(SPLIT, UNKNOWN)
    data, model, rest = (f"{100 * share:.0f}" for share in shares)
    return Row(SPLIT, f"{data}, {model} %", note=f"rest {rest} %")


def _epochs(state: RunState) -> str:
    if state.plan is None or state.plan.steps_per_epoch <= 0:
        return ""
    return f"of {state.plan.total_steps / state.plan.steps_per_epoch:,.2f}"


def _line(row: Row, label_cells: int) -> Content:
    wrong = row.value == NOT_A_NUMBER
    value = Content.styled(f"{row.value:>{VALUE_CELLS}}", "bold $error" if wrong else "bold")
    label = Content(row.label).truncate(label_cells, ellipsis=True, pad=True)
    parts = [label.stylize("$foreground-muted"), value, Content("  ")]
    if row.direction is not None and not row.course:
        parts += [arrow(row.direction, falling_is_good=row.falling_is_good), Content(" ")]
    if row.course:
        parts.append(Content.styled(f"{sparkline(row.course, SPARK_CELLS)} ", "$primary"))
        parts.append(arrow(row.direction, falling_is_good=row.falling_is_good))
    parts.append(Content.styled(row.note, "$foreground-muted"))
    return Content("").join(parts)


def arrow(direction: int | None, *, falling_is_good: bool = True) -> Content:
    """The sign of a direction as trend() gives it, in the colour of what that means; blank where it is not known."""
    if direction is None:
        return Content(" ")
    signs = glyphs()
    sign = {1: signs.up, -1: signs.down, 0: signs.flat}[direction]
    if not direction:
        return Content.styled(sign, "$foreground-muted")
    return Content.styled(sign, "$success" if (direction < 0) == falling_is_good else "$warning")
