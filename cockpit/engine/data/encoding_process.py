"""python -m cockpit.engine.data.encoding_process SETUP FD...: encodes batches for another process, one for each FD.

Imports no torch. The libraries and the tokenizer are read once, by a process without other threads; it forks one for
each FD, which ends when the FD's other end is closed, and waits for them. SIGTERM to all ends them at once.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cockpit.engine.data.encoding import BatchEncoder

PROTOCOL = pickle.HIGHEST_PROTOCOL


def setup_of(recipe: Any, tokenizer: Any, length: int) -> bytes:
    """What a process needs to encode as a BatchEncoder does here. Raises whatever pickle raises where the tokenizer
    cannot be handed on."""
    return pickle.dumps((recipe, tokenizer, length), PROTOCOL)


def main(setup: str, *descriptors: str) -> None:
    """Read `setup`, tell the first of `descriptors` the tokenizer's fingerprint, and encode what comes by each."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # a process has one core, and is forked
    sys.modules["torch"] = None  # type: ignore[assignment]
    from cockpit.engine.data.encoding import BatchEncoder
    from cockpit.engine.data.tokenizer_copy import tokenizer_fingerprint

    recipe, tokenizer, length = pickle.loads(Path(setup).read_bytes())
    connections = [Connection(int(one)) for one in descriptors]
    connections[0].send_bytes(tokenizer_fingerprint(tokenizer).encode())
    for mine in connections:
        if os.fork() == 0:
            for one in connections:
                if one is not mine:
                    one.close()  # each ends when nobody else holds its other end
            _serve(mine, BatchEncoder(recipe, tokenizer, length))
            os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for one in connections:
        one.close()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def _serve(connection: Connection, encode: BatchEncoder) -> None:
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            batch = pickle.loads(connection.recv_bytes())
            try:
                reply: Any = encode(batch)
            except Exception as error:
                reply = _portable(error)
            connection.send_bytes(pickle.dumps(reply, PROTOCOL))


def _portable(error: Exception) -> Exception:
    """The error itself where it can be handed on, else one that says the same."""
    try:
        pickle.loads(pickle.dumps(error, PROTOCOL))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    main(*sys.argv[1:])
