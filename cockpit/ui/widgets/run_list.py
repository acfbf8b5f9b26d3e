"""RunList: the runs to go back to, newest first: how each stands, its last loss, and the way there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from cockpit.runs.labels import STATES
from cockpit.runs.status import is_resumable
from cockpit.text.numbers import metric
from cockpit.text.plain_text import plain_line
from cockpit.ui.messages import EditRun, RemoveRun, ResumeRun
from cockpit.ui.widgets.marked_list import MarkedList, columns, room_beside
from cockpit.ui.widgets.sparkline import sparkline
from cockpit.ui.widgets.state_signs import STATE_SIGNS

if TYPE_CHECKING:
    from cockpit.runs.summary import RunSummary

SPARK_CELLS = 8
STATE_CELLS = 12
WHEN_CELLS = 5
LOSS_CELLS = 6
WITH_STATE, WITH_AGE, WITH_COURSE = 34, 42, 54
"""Cells of the list from which on there is room for a column."""


class RunList(MarkedList):
    """Enter opens the marked run: live where it is going on, as it ended where it is past."""

    NAME = "recent runs"
    HELP = (
        "Your runs, the last started or resumed first. ● is live, ✓ completed, ■ stopped, ✗ failed, ? lost or silent,\n"
        "! damaged: its log holds what no engine writes.\n"
        "Enter opens the marked one: a live run is followed, a past one shown as it ended. r goes on with one, e opens "
        "its recipe, to be changed and started anew; delete removes one for good, and asks first."
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
        Binding("e", "edit", "edit", id="runs.edit", tooltip="Change the marked run's recipe, and start anew with it"),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._rows: Sequence[RunSummary] = ()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only a run that has ended, or may have, can go on."""
        if action == "resume":
            row = self.marked
            return row is not None and is_resumable(row.state)
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

    def set_rows(self, rows: Sequence[RunSummary], *, is_filtered: bool = False) -> None:
        """Show these runs; until then nothing is said of whether there are any. `is_filtered`: there may be others."""
        self.EMPTY = "none found" if is_filtered else "none yet"
        self.name_shown = f"{self.NAME} · {len(rows)} found" if is_filtered else self.NAME
        self._rows = rows
        self.draw_rows()
        self.refresh_bindings()

    def watch_highlighted(self, highlighted: int | None) -> None:
        """Another run may be one that can go on."""
        super().watch_highlighted(highlighted)
        self.refresh_bindings()

    def row_ids(self) -> Sequence[str]:
        return [row.run.id for row in self._rows]

    def heads(self, width: int) -> Sequence[Content]:
        heads = [(STATE_CELLS, "state", WITH_STATE), (LOSS_CELLS, "loss", 0), (SPARK_CELLS, "course", WITH_COURSE)]
        heads.append((WHEN_CELLS, "age", WITH_AGE))
        return [Content(" ".join(head.rjust(cells) for cells, head, least in heads if width >= least))]

    def row_content(self, index: int, width: int) -> Content:
        row = self._rows[index]
        sign, colour = STATE_SIGNS[row.state]
        left = Content.assemble((sign, colour), " ", plain_line(row.run.id))
        right = [Content(metric(row.loss).rjust(LOSS_CELLS))]
        if width >= WITH_COURSE:
            right.append(Content.styled(_course(row).ljust(SPARK_CELLS), "$primary"))
        if width >= WITH_AGE:
            right.append(Content.styled(when(row).rjust(WHEN_CELLS), "$foreground-muted"))
        state = state_text(row)[:STATE_CELLS]
        room = room_beside(width, [Content(state), *right], gap=" ") - left.cell_length
        if width >= WITH_STATE and room >= 0:  # a run is known by the end of its id, and how it stands by its sign
            right.insert(0, Content(state.rjust(min(STATE_CELLS, len(state) + room))))
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
    """The last losses as bars, from the left; nothing where there is only one."""
    return sparkline(row.losses, SPARK_CELLS).lstrip() if len(row.losses) > 1 else ""
