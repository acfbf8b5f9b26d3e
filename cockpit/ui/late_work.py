"""Work that is still under way when its screen, or the app, is told to end."""

from __future__ import annotations

from textual.app import App, ScreenStackError
from textual.css.query import NoMatches
from textual.widget import MountError
from textual.worker import WorkerFailed, get_current_worker


class LateWork(App[None]):
    """An app to which it is no fault that late work finds no place on the screen any more.

    Textual takes a screen's widgets away before it cancels the screen's workers.
    """

    def _handle_exception(self, error: Exception) -> None:
        if not self._is_late(error):
            super()._handle_exception(error)

    def _is_late(self, error: Exception) -> bool:
        is_over = self._exit or not self.is_running
        if isinstance(error, WorkerFailed):
            is_over = is_over or not get_current_worker().node.is_running
            return is_over and _finds_no_place(error.error)
        return is_over and _finds_no_place(error)


def _finds_no_place(error: BaseException) -> bool:
    return isinstance(error, MountError | NoMatches | ScreenStackError)
