"""The queue: what waits for its turn, what runs of it, and who works through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList

from cockpit.runs.labels import STATES
from cockpit.runs.summary import Summaries
from cockpit.runs.winners import Winners
from cockpit.text.plain_text import plain_line
from cockpit.ui.messages import EditRun, OpenRun
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.queue_list import QueueList, QueueRow
from cockpit.ui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from cockpit.ui.runs.queue_worker import QueueWorker
    from cockpit.ui.widgets.top_line import EngineStatus

LOOK_EVERY_S = 1.0


class QueueScreen(Screen[None]):
    """It looks at the queue while it is shown."""

    HELP = QueueList.HELP
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", id="queue.back", tooltip="Back to the recipes"),
    ]

    def __init__(self, worker: QueueWorker) -> None:
        super().__init__()
        self._worker = worker
        self._summaries, self._winners = Summaries(), Winners()

    def compose(self) -> ComposeResult:
        """One list."""
        yield TopLine("queue")
        yield QueueList(id="queue", classes="pane")
        yield KeyBar()

    def on_mount(self) -> None:
        """Look, now and again."""
        self.watch(self.app, "engine_status", self._show_status)
        self.query_one(QueueList).focus()
        self._look()
        self.set_interval(LOOK_EVERY_S, self._look)

    def _show_status(self, status: EngineStatus) -> None:
        self.query_one(TopLine).set_status(status)

    def on_screen_resume(self) -> None:
        """It may have moved on."""
        self._look()

    def _look(self) -> None:
        if not self.display:
            return
        rows, number = [], 0
        entries = self._worker.queue.entries()
        groups = {entry.group for entry in entries if entry.group}
        winners = [self._winners.winner(entries, group) for group in groups]
        for entry in entries:
            number += entry.is_waiting
            if entry.is_waiting:
                state = "waiting"
            else:
                state = STATES[self._summaries.of(entry.run_dir).state] if entry.run else "not started"
            best = self._winners.best(entry) if entry.group else None
            rows.append(QueueRow(entry, number if entry.is_waiting else 0, state, best, entry in winners))
        listed = self.query_one(QueueList)
        listed.set_rows(rows)
        worker = self._worker.worker
        listed.border_subtitle = Content(f"worked through by {worker}" if worker else "nobody works through it")

    @on(OptionList.OptionSelected, "#queue")
    def _on_selected(self) -> None:
        row = self.query_one(QueueList).marked
        if row is not None and row.entry.run:
            self.post_message(OpenRun(row.entry.run_dir))
        elif row is not None and row.entry.why:
            self.notify(plain_line(row.entry.why), severity="warning", markup=False)

    @on(QueueList.WinnerAsked)
    def _on_winner_asked(self, message: QueueList.WinnerAsked) -> None:
        winner = self._winners.winner(self._worker.queue.entries(), message.group)
        if winner is None:
            self.notify("None of them has completed and been measured on held-out rows yet.", markup=False)
        else:
            self.post_message(EditRun(winner.run_dir, winner.name))

    @on(QueueList.Moved)
    def _on_moved(self, message: QueueList.Moved) -> None:
        try:
            self._worker.queue.move(message.entry, message.to)
        except OSError as error:
            self._refuse(error)
        self._look()

    @on(QueueList.Removed)
    def _on_removed(self, message: QueueList.Removed) -> None:
        try:
            self._worker.queue.remove(message.entry)
        except OSError as error:
            self._refuse(error)
        self._look()

    def _refuse(self, error: OSError) -> None:
        self.notify(f"The queue cannot be written: {error.strerror or error}.", severity="error", markup=False)

    def action_back(self) -> None:
        """Away; the queue goes on."""
        self.dismiss()
