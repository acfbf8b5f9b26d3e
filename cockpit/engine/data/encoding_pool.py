"""Processes that encode batches of rows, as one interpreter uses one core"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cockpit.engine.data.encoding import EncodedBatch, PlacedRow
from cockpit.engine.data.encoding_process import PROTOCOL
from cockpit.engine.errors import RunFailure
from cockpit.machine.child_environment import child_environment, python_command
from cockpit.text.plain_text import plain_line

MODULE = "cockpit.engine.data.encoding_process"
ENDS_WITHIN_S = 2.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Processes with threads of their own must not be forked."""


class EncodingPool:
    """They are started at once, and take batches once `is_ready`. Leaving the block ends them."""

    def __init__(self, setup: bytes, fingerprint: str, processes: int) -> None:
        """`setup`: `encoding_process.setup_of`. `fingerprint`: the tokenizer's, which theirs must have too. Raises
        OSError where they cannot be started."""
        self.processes = processes
        self.problem = ""
        """Why they will never be ready; empty while all is well."""
        self._fingerprint = fingerprint
        self._folder = tempfile.TemporaryDirectory(prefix="cockpit-rows-")
        path = Path(self._folder.name) / "setup.pickle"
        self._errors = Path(self._folder.name) / "stderr"
        ends = [Pipe() for _ in range(processes)]
        self._connections = [here for here, _ in ends]
        self._free: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._is_ready = False
        # A thread for each process, which waits for its replies.
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="encoding")
        descriptors = [there.fileno() for _, there in ends]
        try:
            path.write_bytes(setup)
            with self._errors.open("wb") as errors:
                self._process = subprocess.Popen(
                    python_command(MODULE, str(path), *map(str, descriptors)),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    pass_fds=descriptors,
                    env=child_environment() | ONE_THREAD,
                    start_new_session=True,  # they are ended together
                )
        except BaseException:
            self._folder.cleanup()
            raise
        finally:
            for _, there in ends:
                there.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def is_ready(self) -> bool:
        """Whether batches can be submitted; never waits."""
        if self._is_ready or self.problem or not self._connections[0].poll():
            return self._is_ready
        try:
            theirs = self._connections[0].recv_bytes().decode()
        except (EOFError, OSError):
            said = self._errors.read_text(encoding="utf-8", errors="replace").strip() or "no word"
            self.problem = f"others have ended with {plain_line(said.splitlines()[-1])[:200]}"
            return False
        if theirs != self._fingerprint:
            self.problem = "the tokenizer is another one once it is handed to other processes"
            self.close()
            return False
        for connection in self._connections:
            self._free.put(connection)
        self._is_ready = True
        return True

    def submit(self, batch: list[PlacedRow]) -> Future[EncodedBatch]:
        """Encode a batch; its result raises RunFailure where a process has ended, or what encoding raises."""
        return self._threads.submit(self._encode, batch)

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(ENDS_WITHIN_S)
        self._threads.shutdown(cancel_futures=True)
        for connection in self._connections:
            connection.close()
        self._folder.cleanup()

    def _encode(self, batch: list[PlacedRow]) -> EncodedBatch:
        connection = self._free.get()
        try:
            connection.send_bytes(pickle.dumps(batch, PROTOCOL))
            reply: Any = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise RunFailure(
                "A process that tokenizes rows has ended unexpectedly.",
                "The machine may be out of memory: close other programs, or give rows in shorter texts.",
            ) from error
        finally:
            self._free.put(connection)
        if isinstance(reply, Exception):
            raise reply
        assert isinstance(reply, EncodedBatch)
        return reply
