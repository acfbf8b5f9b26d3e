"""The terminal that the app draws on: one that goes away ends the app, and never blocks or spins it."""

from __future__ import annotations

import os
import select
import signal
import threading
from typing import IO, TYPE_CHECKING, Any

from textual import events
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from cockpit.text.plain_text import plain_line
from cockpit.text.terminal_call import terminal_call
from cockpit.ui.sparing_output import SparingOutput

if TYPE_CHECKING:
    from textual.app import App

LOOK_EVERY_MS = 500
ENDS_WITHIN_S = 10.0
"""How long the app has to end by itself once its terminal has gone."""


class GuardedOutput:
    """A text file whose writes never fail: the first one that does sets `is_lost`, and all later ones go nowhere.

    Textual's writer thread ends on a failing write, and the app would then wait for ever on that thread's full queue.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.is_lost = False

    def write(self, text: str) -> int:
        """Write, or drop the text once the terminal is gone."""
        if not self.is_lost:
            try:
                return self._file.write(text)
            except (OSError, ValueError):
                self.is_lost = True
        return len(text)

    def flush(self) -> None:
        """Flush, or do nothing once the terminal is gone."""
        if not self.is_lost:
            try:
                self._file.flush()
            except (OSError, ValueError):
                self.is_lost = True

    def fileno(self) -> int:
        """The file's descriptor."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._file.isatty()


class TerminalDriver(LinuxDriver):
    """Textual's driver, for a terminal that may hang up: `is_lost` tells, and the app looks at it."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        assert self._file is not None
        self._output = GuardedOutput(self._file)
        self._sparing = SparingOutput(self._output)
        self._file = self._sparing  # type: ignore[assignment]
        self._hang_up = select.poll()
        self._hang_up.register(self.fileno, 0)
        self._reading_failed = False
        self._title = ""

    @property
    def is_lost(self) -> bool:
        """Whether the terminal has hung up or cannot be read or written any more."""
        return self._reading_failed or self._output.is_lost or bool(self._hang_up.poll(0))

    def set_title(self, title: str) -> None:
        """Name the terminal's window; nothing in `title` reaches the terminal as an escape sequence."""
        title = plain_line(title)
        if title != self._title and self._writer_thread is not None:
            self._title = title
            self.write(f"\x1b]2;{title}\x07")

    def call(self, title: str, body: str) -> None:
        """Ask the terminal to call whoever sits before it."""
        if self._writer_thread is not None:
            self.write(terminal_call(title, body))

    def start_application_mode(self) -> None:
        """Take the terminal; its window's title is put by for later."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._writer_thread is not None:
            self.write("\x1b[22;2t")
            title, self._title = self._title, ""
            self.set_title(title)

    def stop_application_mode(self) -> None:
        """Give the terminal back with the title that it had."""
        if self._writer_thread is not None:
            self.write("\x1b[23;2t")
        super().stop_application_mode()

    def process_message(self, message: Message) -> None:
        """Hand on what comes from the terminal. One that was looked away from may have been written to meanwhile."""
        if isinstance(message, events.AppFocus):
            self._sparing.forget()
        super().process_message(message)

    def run_input_thread(self) -> None:
        """Read keys until the app ends, or the terminal does."""
        is_over = threading.Event()
        threading.Thread(target=self._watch_for_hang_up, args=(is_over,), name="hang-up", daemon=True).start()
        try:
            super().run_input_thread()
        except OSError:
            self._reading_failed = True
            self._end_by_force(is_over)
        finally:
            is_over.set()

    def _watch_for_hang_up(self, is_over: threading.Event) -> None:
        """A terminal that has gone reads as an end of file without end: reading stops there, and the app ends, also
        where its main thread hangs and can neither look at `is_lost` nor take a signal."""
        hang_up = select.poll()
        hang_up.register(self.fileno, 0)
        while not is_over.is_set():
            if hang_up.poll(LOOK_EVERY_MS):
                self._reading_failed = True
                self.exit_event.set()
                self._end_by_force(is_over)
                return

    def _end_by_force(self, is_over: threading.Event) -> None:
        """End the process, unless it ends by itself within ENDS_WITHIN_S. Engines have processes of their own."""
        is_over.set()
        timer = threading.Timer(ENDS_WITHIN_S, os._exit, (128 + signal.SIGHUP,))
        timer.daemon = True
        timer.start()
