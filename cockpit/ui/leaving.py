"""LeavingApp: the end of the app, and what becomes then of the runs that it has shown"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from textual.content import Content

from cockpit.text.plain_text import plain_line
from cockpit.ui.asking import AskingApp

if TYPE_CHECKING:
    from cockpit.ui.runs.queue_worker import QueueWorker
    from cockpit.ui.runs.session import RunSession
    from cockpit.ui.runs.standby import Standby


class LeavingApp(AskingApp):
    """It knows the runs that are shown, the engine that warms up and the queue, as all of them end with the app."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.session: RunSession | None = None
        """The run that is shown, or was shown last."""
        self._left: list[RunSession] = []
        """Runs that were shown before it, and whose engines this app has started."""
        self.standby: Standby | None = None
        """The engine that warms up for the next run; None until the app has begun."""
        self._queue: QueueWorker | None = None
        """Set once the app has begun; the runs of other machines have queues of their own."""

    def run_is_going(self) -> bool:
        """Whether the run that is shown, or was shown last, still trains."""
        session = self.session
        return session is not None and session.takes_commands and not session.is_over

    def unload_ended(self) -> None:
        """Let the models go that engines of ours still hold after their runs, for chats that nobody is having."""
        for session in filter(None, (*self._left, self.session)):
            if session.is_engine_ours:
                with suppress(OSError):
                    session.unload()
        self._left = [session for session in self._left if session.is_engine_ours]

    def action_help_quit(self) -> None:
        """What Ctrl+C does here, where a habit ends programs with it."""
        self.notify("Ctrl+Q leaves; a run that is training goes on without the app.", markup=False)

    async def action_quit(self) -> None:
        """Leave at once, or ask what is to become of the run that is going, or of edits that are not saved."""
        from cockpit.ui.screens.dialog import Dialog
        from cockpit.ui.screens.questions import drop_changes, leave_run

        if isinstance(self.screen, Dialog):
            return
        if self.session is not None and self.run_is_going():
            self.session.poll()
        unsaved = getattr(self.screen, "unsaved", 0)
        if self.session is not None and self.run_is_going():
            from cockpit.runs.stopping import stopping

            question = leave_run(self.session.link.run.id, stopping(self.session.state))
            self.push_screen(question, self._quit_answered)
        elif unsaved:
            self.push_screen(drop_changes(unsaved, quits=True), self._drop_answered)
        else:
            self._leave()

    def _drop_answered(self, answer: str | None) -> None:
        if answer == "drop":
            self._leave()

    def _quit_answered(self, answer: str | None) -> None:
        if answer not in ("leave", "stop") or self.session is None:
            return
        run_id = plain_line(self.session.link.run.id)
        if answer == "leave":
            self._leave(f"{run_id} goes on. To watch it again: cockpit attach {run_id}")
            return
        from cockpit.runs.stopping import stopping

        what = stopping(self.session.state).sentence
        try:
            if self.session.stop_asked is None:
                self.session.stop(save=True)
        except OSError as error:
            self.notify(f"The run could not be asked to stop: {error}", severity="error", markup=False)
            return
        self._leave(f"{run_id} was asked to stop. {what} To look at it: cockpit attach {run_id}")

    def _leave(self, message: str = "", return_code: int = 0) -> None:
        if self.standby is not None:
            self.standby.dismiss()
        if self._queue is not None:
            self._queue.close()
        if return_code == 0:
            # A terminal that was lost is no wish to end the chat: whoever attaches again finds the model loaded.
            self.unload_ended()
        self.exit(return_code=return_code, message=Content(message) if message else None)

    def _answer_signals(self) -> None:
        if self.is_headless:
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._leave, "", 128 + number)
