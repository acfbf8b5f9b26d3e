"""RunSide: what the marked run came to, as a card, and its main figure as a chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.timer import Timer

from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.card import Card, CardText

if TYPE_CHECKING:
    from cockpit.runs.summary import RunSummary
    from cockpit.ui.runs.host import Host
    from cockpit.ui.runs.run_shelf import RunShelf
    from cockpit.ui.widgets.loss_chart import LossChart

HELP = "The marked run: how it ended, what it came to, what is left of it, and what it was trained on."
DETAILS_AFTER_S = 0.08
"""A run's log is read once the mark rests on it, and not for each row that a held key passes."""
NONE_HERE = CardText("There are no runs here yet.", "Enter on a recipe starts one.")
NONE_FOUND = CardText("No run has all these words.", "Escape shows all again.")


class RunSide(Container):
    """`show` takes a run, once `prepare` is done."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shelf: RunShelf | None = None
        self._chart: LossChart | None = None
        self._run: RunSummary | None = None
        self._shown = ""
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """The card; the chart comes later, as its import takes time."""
        yield Card(HELP, id="run-card", classes="pane")

    async def prepare(self, shelf: RunShelf) -> None:
        """Import and mount what the first frame did without; `shelf` reads the logs."""
        from cockpit.ui.widgets.loss_chart import LossChart

        self._shelf, self._chart = shelf, LossChart(id="course", classes="pane")
        await self.mount(self._chart)

    def show(self, run: RunSummary | None, *, is_filtered: bool = False) -> None:
        """Draw what is known of it now, and the rest once its log has been read."""
        self._run = run
        if self._timer is not None:
            self._timer.stop()
        if run is None or self._shelf is None:
            self._shown = ""
            card = self.query_one(Card)
            card.border_title = Content("no run")
            card.show(NONE_FOUND if is_filtered else NONE_HERE)
            self.query("#course").remove_class("-known")
            return
        if self._shelf.known_details(run.run) is None:
            if self._shown != run.run.id:  # what stands there of the same run is older by a moment only
                self._draw(run)
            self._timer = self.set_timer(DETAILS_AFTER_S, self._read)
        else:
            self._draw(run)

    def _read(self) -> None:
        if self._run is not None and self._shelf is not None and self.is_attached:
            self._shelf.details(self._run.run)
            self._draw(self._run)

    def _draw(self, run: RunSummary) -> None:
        from cockpit.ui.widgets.run_card import card_of_run

        assert self._shelf is not None and self._chart is not None
        card, chart, is_same = self.query_one(Card), self._chart, self._shown == run.run.id
        self._shown = run.run.id
        details, recipe = self._shelf.known_details(run.run) or (None, None)
        card.border_title = Content(plain_line(run.run.id))
        card.show(card_of_run(run, details, recipe, cast("Host", self.app).price), is_same=is_same)
        chart.set_class(details is not None and len(details.steps) > 1, "-known")
        if details is not None:
            chart.set_total(run.total_steps)
            chart.set_course(details.steps, details.evaluations, details.main)
