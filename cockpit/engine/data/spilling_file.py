"""A file that goes on in memory where its disk takes no more"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pyarrow as pa


def open_file(path: Path) -> io.FileIO:
    """A new one, to be written and read, without a buffer: what was written is known."""
    return io.FileIO(path, "w+")


class SpillingFile(io.RawIOBase):
    """Written from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.failure: OSError | None = None
        """Why it goes on in memory; None where it is on the disk."""
        self._path = path
        self._written = 0
        self._memory: io.BytesIO | None = None
        self._file: io.FileIO | None = None
        try:
            self._file = open_file(path)
        except OSError as error:
            self._spill(error)

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """All of `data`."""
        left = memoryview(data).cast("B")
        size = len(left)
        while self._file is not None and len(left):
            try:
                done = self._file.write(left) or 0
            except OSError as error:
                self._spill(error)
                break
            self._written += done
            left = left[done:]
        if self._memory is not None:
            self._memory.write(left)
        return size

    def finish(self) -> Path | pa.Buffer:
        """The file's path, or its content where it is not all on the disk."""
        if self._memory is not None:
            return pa.py_buffer(self._memory.getbuffer())
        self.close()
        return self._path

    def close(self) -> None:
        """Let the file on the disk go."""
        if self._file is not None:
            self._file.close()
        super().close()

    def _spill(self, error: OSError) -> None:
        """Take what is on the disk into memory, and free the disk of it. Raises OSError where it cannot be read."""
        self.failure, self._memory = error, io.BytesIO()
        if self._file is not None:
            self._file.seek(0)
            while self._memory.tell() < self._written:
                self._memory.write(self._file.read(min(1 << 20, self._written - self._memory.tell())) or b"")
            self._file.close()
            self._file = None
        with contextlib.suppress(OSError):
            self._path.unlink()
