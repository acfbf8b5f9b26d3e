"""Processes that begin with the training stack imported: forks of one that has imported it, which takes 17 s of CPU."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest

from cockpit.launch import engines as links
from cockpit.machine.child_environment import python_command

ROOT = Path(__file__).parents[2]


class ForkedProcess:
    """What subprocess.Popen has, of a process that is not a child of this one."""

    def __init__(self, stack: WarmStack, pid: int, stdin: IO[bytes] | None = None) -> None:
        self.pid = pid
        self.stdin = stdin
        self._stack = stack
        self._status: int | None = None

    def poll(self) -> int | None:
        """The exit status, None while it runs."""
        if self._status is None:
            self._status = self._stack.status_of(self.pid)
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once there is one. Raises TimeoutExpired."""
        deadline = time.monotonic() + (timeout or 300.0)
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 300.0)
            time.sleep(0.01)
        return status

    def kill(self) -> None:
        """SIGKILL; nobody else gets the number before its status was asked for."""
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class WarmStack:
    """A process that has imported the stack of one backend, sees no GPU, and forks as it is told."""

    def __init__(self, backend: str, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        """`folder` is for what the forks give; `environment` is what the stack is imported in, ours if None."""
        self.folder = folder
        self._count = 0
        self._asking = threading.Lock()
        self._pipe, theirs = Pipe()
        code = f"from tests.engine.warm_stack import serve; serve({theirs.fileno()}, {backend!r})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code], pass_fds=[theirs.fileno()], cwd=ROOT, env=environment
        )
        theirs.close()

    def close(self) -> None:
        """No more forks; it ends with this process too."""
        self._pipe.close()
        self._process.wait(60)

    def status_of(self, pid: int) -> int | None:
        """Exit status of a fork, None while it runs."""
        status: int | None = self._ask(pid)
        return status

    def _ask(self, question: object) -> Any:
        """The answer to it, of however many threads that ask at once."""
        with self._asking:
            self._pipe.send(question)
            return self._pipe.recv()

    def call(self, function: Callable[..., Any], *arguments: Any, **environment: str) -> Any:
        """What the function gives in a fork, with these changes to our environment.

        Raises AssertionError with what was printed where it fails.
        """
        result = self.folder / f"result-{self._count + 1}.pickle"
        process, log = self.fork(_put, result, function, arguments, **environment)
        assert process.wait() == 0, log.read_text(encoding="utf-8", errors="replace")[-4000:]
        return pickle.loads(result.read_bytes())

    def fork(self, function: Callable[..., int], *arguments: Any, **environment: str) -> tuple[ForkedProcess, Path]:
        """A fork that ends with the status that the function gives, and the file of what it prints."""
        self._count += 1
        log = self.folder / f"log-{self._count}.txt"
        pid = self._ask(((function, arguments), dict(os.environ) | environment, self.folder, log, None))
        return ForkedProcess(self, pid), log

    @contextmanager
    def starts_engines(self, prepare: Callable[[], None] | None = None) -> Iterator[None]:
        """Within this, engines that are started are forks, each of which does `prepare` first."""
        with pytest.MonkeyPatch.context() as patch:
            popen = partial(self._engine, prepare)
            stand_in = SimpleNamespace(Popen=popen, PIPE=subprocess.PIPE, DEVNULL=subprocess.DEVNULL)
            patch.setattr(links, "subprocess", stand_in)
            yield

    def _engine(
        self,
        prepare: Callable[[], None] | None,
        command: list[str],
        *,
        stdin: int,
        stdout: IO[bytes],
        stderr: IO[bytes],
        cwd: Path,
        env: Mapping[str, str],
        start_new_session: bool,
        pass_fds: tuple[int],
    ) -> ForkedProcess:
        """As subprocess.Popen for python -m cockpit.engine and its options, as engines.py calls it. A fork inherits
        nothing of its starter, so that it takes the folder's lock itself once its starter has let go of it."""
        at = command.index("--lock")
        assert command[at + 1] == str(pass_fds[0])
        command = command[:at] + command[at + 2 :]
        begin = python_command("cockpit.engine")
        assert command[: len(begin)] == begin and stdout is stderr and start_new_session
        self._count += 1
        fifo = self.folder / f"stdin-{self._count}" if stdin == subprocess.PIPE else None
        if fifo is not None:
            os.mkfifo(fifo)
        log = Path(f"/proc/self/fd/{stdout.fileno()}").readlink()  # opened by number, it has no name
        pid = self._ask(((_run_engine, (command[len(begin) :], prepare)), dict(env), cwd, log, fifo))
        return ForkedProcess(self, pid, fifo.open("wb") if fifo is not None else None)


def serve(pipe_fd: int, backend: str) -> None:
    """Fork for each (work, environment, folder, log, stdin), and answer with its number; for a number, its status."""
    pipe: Connection[Any, Any] = Connection(pipe_fd)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from cockpit.engine.stack import import_stack

    import_stack(backend)
    ended: dict[int, int] = {}  # one that has been waited for is nobody's child any more
    while True:
        try:
            asked = pipe.recv()
        except EOFError:
            return
        if isinstance(asked, int):
            if asked not in ended:
                pid, status = os.waitpid(asked, os.WNOHANG)
                if pid:
                    ended[pid] = os.waitstatus_to_exitcode(status)
            pipe.send(ended.get(asked))
        else:
            pid = os.fork()
            if pid == 0:
                pipe.close()
                os._exit(_work(*asked))
            ended.pop(pid, None)  # the number of one long gone
            pipe.send(pid)


def _work(
    work: tuple[Callable[..., int], tuple[Any, ...]],
    environment: dict[str, str],
    folder: Path,
    log: Path,
    stdin: Path | None,
) -> int:
    """In the fork: all that a process of its own would have of its starter."""
    try:
        os.setsid()
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        os.dup2(os.open(stdin or os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        os.dup2(1, 2)
        function, arguments = work
        return function(*arguments)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _put(result: Path, function: Callable[..., Any], arguments: tuple[Any, ...]) -> int:
    result.write_bytes(pickle.dumps(function(*arguments)))
    return 0


def _run_engine(options: list[str], prepare: Callable[[], None] | None) -> int:
    from cockpit.engine.__main__ import main

    if prepare is not None:
        prepare()
    sys.argv = ["python -m cockpit.engine", *options]
    return main()
