"""stdout that may be closed or full: told once on stderr, after which the command goes on and prints into the void"""

from __future__ import annotations

import errno
import io
import os
import select
import sys

NOBODY_READS = 141
"""The exit status of a program whose reader has gone, as shells give it: 128 + SIGPIPE."""


class Output(io.RawIOBase):
    """A descriptor whose writes never fail: the first one that does is told on stderr, and the rest go nowhere."""

    def __init__(self, descriptor: int | None) -> None:
        """None: it was closed before the program began."""
        self._descriptor = descriptor
        self.error: OSError | None = None
        """What the first write that failed has raised."""

    def write(self, data: object, /) -> int:
        """Write all of `data`, or nothing once a write has failed; its bytes either way."""
        content = memoryview(data).cast("B")  # type: ignore[arg-type]
        at = 0
        while self.error is None and at < len(content):
            try:
                at += os.write(self.fileno(), content[at:])
            except BlockingIOError:
                select.select([], [self.fileno()], [])
            except OSError as error:
                self.error = error
                self._tell(error)
        return len(content)

    def _tell(self, error: OSError) -> None:
        why = "nobody reads it any more" if error.errno == errno.EPIPE else error.strerror or str(error)
        try:
            print(f"Nothing more can be written to stdout: {why}.", file=sys.stderr, flush=True)
        except (OSError, ValueError):
            pass  # the two are often one

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The descriptor. Raises OSError where it is closed."""
        if self._descriptor is None:
            raise OSError(errno.EBADF, "it is closed")
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._descriptor is not None and os.isatty(self._descriptor)

    def status(self, status: int) -> int:
        """The exit status of a command that has ended with `status`: not 0 where its output is not complete."""
        if status or self.error is None:
            return status
        return NOBODY_READS if self.error.errno == errno.EPIPE else 1


def open_streams() -> Output:
    """See that stdin, stdout and stderr are there, so that no other file gets their numbers; stdout becomes one whose
    writes never fail."""
    is_closed = sys.stdout is None
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    output = Output(None if is_closed else 1)
    before = sys.stdout
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(output),
        encoding="utf-8" if is_closed else before.encoding,
        errors="backslashreplace" if is_closed else before.errors,
        line_buffering=output.isatty(),
        write_through=True,
    )
    return output


def is_output_lost() -> bool:
    """Whether what is printed goes nowhere any more."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, Output) and raw.error is not None
