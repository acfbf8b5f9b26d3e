"""A process of the engine's that a command waits for, while it shows what that says it is doing"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from typing import IO


def follow(command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> tuple[int, str]:
    """Run it to its end, each line of its stdout shown in place of the one before; what it says on stderr goes to
    `log`. Gives its exit status and the last line. It ends with this command."""
    from cockpit.cli.reply_printer import Waiting

    waiting, said = Waiting(), ""
    process = subprocess.Popen(
        list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=environment, text=True,
        errors="replace",
    )  # fmt: skip
    assert process.stdout is not None
    try:
        for line in process.stdout:
            said = line.strip() or said
            waiting.show(said)
        process.wait()
    finally:
        waiting.clear()
        if process.poll() is None:
            process.terminate()
            process.wait()
    return process.returncode, said
