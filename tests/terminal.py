"""A real pseudo-terminal with a program in it, its screen as a person would see it, and every byte that reached it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence

import pyte

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "end": "\x1b[F",
    "home": "\x1b[H",
    "pagedown": "\x1b[6~",
    "f1": "\x1bOP",
    "f2": "\x1bOQ",
    "f3": "\x1bOR",
    "f4": "\x1bOS",
    "f5": "\x1b[15~",
}


class Terminal:
    """Runs `command` on a pseudo-terminal of `columns` x `rows`."""

    def __init__(
        self, command: Sequence[str], columns: int = 120, rows: int = 40, env: Mapping[str, str] | None = None
    ) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.received = b""
        self.status: int | None = None
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            # The size before the program, which may ask for it at once; a worker's own COLUMNS would go before it.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            inherited = {name: text for name, text in (env or os.environ).items() if name not in ("COLUMNS", "LINES")}
            os.execvpe(command[0], list(command), inherited | {"TERM": "xterm-256color"})

    def pump(self, seconds: float = 0.05) -> bool:
        """Take in what the program writes within `seconds`. False once it has closed the terminal."""
        if self._master < 0:
            time.sleep(seconds)
            return True
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        self.received += data
        self._stream.feed(data)
        return bool(data)

    @property
    def text(self) -> str:
        """The screen as it stands, a line each row."""
        cells, columns = (
            self._screen.buffer,
            range(self._screen.columns),
        )  # pyte's display fails at signs that are joined
        rows = ("".join(cells[row][column].data for column in columns) for row in range(self._screen.lines))
        return "\n".join(row.rstrip() for row in rows)

    def wait_for(self, shown: str | Callable[[str], bool], timeout: float = 120) -> str:
        """Wait until the screen shows `shown` (or `shown(screen)` holds). Raises AssertionError with the screen."""
        holds = shown if callable(shown) else lambda text: shown in text
        deadline = time.monotonic() + timeout
        while not holds(self.text):
            alive = self.pump()
            if holds(self.text):
                break
            assert alive, f"the program has ended; the screen was:\n{self.text}"
            assert time.monotonic() < deadline, f"{shown!r} did not come in {timeout} s; the screen is:\n{self.text}"
        return self.text

    def press(self, *keys: str) -> None:
        """Type each key: a name out of KEYS, ctrl+x, or the text itself."""
        for key in keys:
            os.write(self._master, _bytes_of(key))

    def press_at_once(self, *keys: str) -> None:
        """Type the keys of `press` in a single write, as a slow line delivers them."""
        os.write(self._master, b"".join(map(_bytes_of, keys)))

    def has_ended(self) -> bool:
        """Whether the program has ended; what it wrote is not looked at."""
        self._reap()
        return self.status is not None

    def wait_for_end(self, timeout: float = 60) -> int:
        """Wait until the program has ended; its exit status, negative for a signal."""
        deadline = time.monotonic() + timeout
        while self.status is None:
            self.pump(0.02)
            self._reap()
            assert time.monotonic() < deadline, f"the program did not end in {timeout} s; the screen is:\n{self.text}"
        while select.select([self._master], [], [], 0)[0] and self.pump(0):
            pass  # what it wrote at its very end
        return self.status

    def hang_up(self) -> None:
        """Take the terminal away, as a closed window or a lost connection does."""
        os.close(self._master)
        self._master = -1

    def kill(self) -> None:
        """End the program by SIGKILL, if it still runs."""
        self._reap()
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            self.status = os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """End the program and let the terminal go."""
        self.kill()
        if self._master >= 0:
            self.hang_up()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _reap(self) -> None:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)


def _bytes_of(key: str) -> bytes:
    text = chr(ord(key[5]) & 0x1F) if key.startswith("ctrl+") else KEYS.get(key, key)
    return text.encode()
