"""RunList: the runs to go back to, newest first: how each stands, its main figure, and the way there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from cockpit.runs.labels import STATES
from cockpit.runs.status import is_resumable
from cockpit.text.numbers import metric
from cockpit.text.plain_text import plain_line
from cockpit.ui.messages import CompareRuns, EditRun, LabelRun, RemoveRun, ResumeRun
from cockpit.ui.widgets.marked_list import MarkedList, columns, room_beside
from cockpit.ui.widgets.sparkline import sparkline
from cockpit.ui.widgets.state_signs import state_sign

if TYPE_CHECKING:
    from cockpit.runs.folder import RunDir
    from cockpit.runs.label import Label
    from cockpit.runs.summary import RunSummary

MOST_PICKED = 6

SPARK_CELLS = 8
STATE_CELLS = 12
WHEN_CELLS = 5
FIGURE_CELLS = 6
HELD_OUT_CELLS = 8
LEAST_LABEL = 6
"""Cells of a label, of which less says nothing."""
WITH_STATE, WITH_AGE, WITH_COURSE, WITH_HELD_OUT = 34, 42, 54, 72
"""Cells of the list from which on there is room for a column."""


class RunList(MarkedList):
    """Enter opens the marked run: live where it is going on, as it ended where it is past."""

    NAME = "recent runs"
    HELP = (
        "Your runs, the last started or resumed first. ● is live, ✓ completed, ■ stopped, ✗ failed, ? lost or silent,\n"
        "! damaged: its log holds what no engine writes.\n"
        "Enter opens the marked one: a live run is followed, a past one shown as it ended. r goes on with one, e opens "
        "its recipe, to be changed and started anew; l gives it a name, tags and a note; delete removes one for good, "
        "and asks first.\n"
        "o sorts by another order. Space picks up to six, and c shows these side by side."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "open", id="runs.open", tooltip="Show the marked run", show=True),
        Binding(
            "r", "resume", "resume", id="runs.resume", tooltip="Go on with the marked run from its newest checkpoint"
        ),
        Binding(
            "delete",
            "remove",
            "remove",
            id="runs.remove",
            show=False,
            tooltip="Remove the marked run for good, with its checkpoints and its adapter",
        ),
        Binding("e", "edit", "again", id="runs.edit", tooltip="Again, with a change: edit the marked run's recipe"),
        Binding("l", "label", "label", id="runs.label", tooltip="Give the marked run a name, tags and a note"),
        Binding("o", "order", "order", id="runs.order", show=False,
                tooltip="Sort by start, loss, held-out loss or the best of these, or what else runs are judged by"),
        Binding("space", "pick", "pick", id="runs.pick", show=False,
                tooltip="Pick the marked run, to be compared with others; again to put it back"),
        Binding("c", "compare", "compare", id="runs.compare", tooltip="Show the runs that are picked side by side"),
    ]  # fmt: skip

    class OrderAsked(Message):
        """The runs are to be sorted by the next order."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._rows: Sequence[RunSummary] = ()
        self._labels: Mapping[str, Label] = {}
        self.picked: dict[str, RunDir] = {}
        """Runs that are to be compared, by their ids, in the order in which they were picked."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only a run that has ended, or may have, can go on."""
        if action == "resume":
            row = self.marked
            return row is not None and is_resumable(row.state)
        if action == "compare":
            return len(self.picked) > 1
        return super().check_action(action, parameters)

    def action_resume(self) -> None:
        """Go on with the marked run."""
        row = self.marked
        if row is not None:
            self.post_message(ResumeRun(row.run))

    def action_edit(self) -> None:
        """Open the editor on what the marked run was trained with."""
        row = self.marked
        if row is not None:
            self.post_message(EditRun(row.run, row.recipe_name))

    def action_label(self) -> None:
        """Ask what the marked run is to be called."""
        row = self.marked
        if row is not None:
            self.post_message(LabelRun(row.run))

    def action_order(self) -> None:
        """By something else."""
        self.post_message(self.OrderAsked())

    def action_pick(self) -> None:
        """Pick the marked run, or put it back."""
        row = self.marked
        if row is None:
            return
        if row.run.id in self.picked:
            del self.picked[row.run.id]
        elif len(self.picked) == MOST_PICKED:
            self.notify(f"Up to {MOST_PICKED} runs are compared; space on one of these puts it back.", markup=False)
            return
        else:
            self.picked[row.run.id] = row.run
        self.draw_rows()
        self.refresh_bindings()

    def action_compare(self) -> None:
        """Those that are picked."""
        self.post_message(CompareRuns(list(self.picked.values())))

    def action_remove(self) -> None:
        """Remove the marked run; it is asked first."""
        row = self.marked
        if row is not None:
            self.post_message(RemoveRun(row.run))

    @property
    def marked(self) -> RunSummary | None:
        """The run that is marked."""
        at = self.highlighted
        return self._rows[at] if at is not None and at < len(self._rows) else None

    def set_rows(
        self,
        rows: Sequence[RunSummary],
        labels: Mapping[str, Label] | None = None,
        *,
        is_filtered: bool = False,
        order: str = "",
    ) -> None:
        """Show these runs; until then nothing is said of whether there are any. `labels`: of those that have one, by
        their ids. `is_filtered`: there may be others. `order`: what they are sorted by, empty for the usual."""
        self.EMPTY = "none found" if is_filtered else "none yet"
        found = [f"{len(rows)} found"] if is_filtered else []
        self.name_shown = " · ".join([self.NAME, *found, *([f"by {order}"] if order else [])])
        self._rows, self._labels = rows, labels or {}
        there = {row.run.id for row in rows}
        if not is_filtered:
            self.picked = {name: run for name, run in self.picked.items() if name in there}
        self.draw_rows()
        self.refresh_bindings()

    def watch_highlighted(self, highlighted: int | None) -> None:
        """Another run may be one that can go on."""
        super().watch_highlighted(highlighted)
        self.refresh_bindings()

    def row_ids(self) -> Sequence[str]:
        return [row.run.id for row in self._rows]

    @property
    def _head(self) -> str:
        """What the runs are judged by, where that is the same for all."""
        labels = {plain_line(row.main.label) for row in self._rows}
        return labels.pop()[:FIGURE_CELLS] if len(labels) == 1 else "figure" if labels else "loss"

    def heads(self, width: int) -> Sequence[Content]:
        heads = [
            (STATE_CELLS, "state", WITH_STATE),
            (FIGURE_CELLS, self._head, 0),
            (SPARK_CELLS, "course", WITH_COURSE),
        ]
        heads.append((WHEN_CELLS, "age", WITH_AGE))
        heads.insert(2, (HELD_OUT_CELLS, "held-out", WITH_HELD_OUT))
        return [Content(" ".join(head.rjust(cells) for cells, head, least in heads if width >= least))]

    def row_content(self, index: int, width: int) -> Content:
        row = self._rows[index]
        sign, colour = state_sign(row.state)
        left = Content.assemble((sign, colour), " ", plain_line(row.run.id))
        if row.run.id in self.picked:
            number = f"{list(self.picked).index(row.run.id) + 1}:"
            left = Content.assemble((sign, colour), " ", (number, "bold $accent"), plain_line(row.run.id))
        right = [Content(metric(row.value).rjust(FIGURE_CELLS))]
        if width >= WITH_HELD_OUT:
            right.append(Content.styled(metric(row.held_out).rjust(HELD_OUT_CELLS), "$held-out"))
        if width >= WITH_COURSE:
            right.append(Content.styled(_course(row).ljust(SPARK_CELLS), "$primary"))
        if width >= WITH_AGE:
            right.append(Content.styled(when(row).rjust(WHEN_CELLS), "$foreground-muted"))
        for state in dict.fromkeys((state_text(row)[:STATE_CELLS], STATES[row.state])):
            room = room_beside(width, [Content(state), *right], gap=" ") - left.cell_length
            if width >= WITH_STATE and room >= 0:  # a run is known by the end of its id, and how it stands by its sign
                right.insert(0, Content(state.rjust(min(STATE_CELLS, len(state) + room))))
                break
        if (label := self._labels.get(row.run.id)) is not None:
            named = " ".join(filter(None, (label.name, *(f"#{tag}" for tag in label.tags))))
            space = room_beside(width, right, gap=" ") - left.cell_length - 1
            if named and space >= LEAST_LABEL:
                left = left.append(Content.styled(f" {plain_line(named)}"[: space + 1], "$accent"))
        attempts = Content.styled(f" {row.attempts} attempts", "$foreground-muted")
        if row.attempts > 1 and left.cell_length + attempts.cell_length <= room_beside(width, right, gap=" "):
            left = left.append(attempts)
        return columns(width, left, right, gap=" ")


def state_text(row: RunSummary) -> str:
    """How far it is, or how it ended."""
    of = f"/{row.total_steps}" if row.total_steps else ""
    match row.state:
        case "starting":
            return STATES["starting"]
        case "running" | "silent":
            steps = f"{row.step}{of}"
            return (f"step {steps}" if len(steps) <= STATE_CELLS - 5 else steps) if row.total_steps else "preparing"
        case "completed":
            return f"{row.step} steps"
        case "out_of_memory":
            return "no memory"
    return f"{STATES[row.state]} {row.step}"


def when(row: RunSummary, now: float | None = None) -> str:
    """How long ago its first attempt began, in one unit; `live` for a run that is going on."""
    if row.state in ("running", "starting"):
        return "live"
    age_s = max(0.0, (time.time() if now is None else now) - row.started_at)
    for seconds, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if age_s >= seconds:
            return f"{age_s / seconds:.0f} {unit}"
    return "now"


def _course(row: RunSummary) -> str:
    """The last main figures as bars, from the left; nothing where there is only one."""
    return sparkline(row.course, SPARK_CELLS).lstrip() if len(row.course) > 1 else ""
