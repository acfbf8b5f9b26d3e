"""python -m cockpit.engine: the detached process"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.text.streams import hide_logins

if TYPE_CHECKING:
    from cockpit.runs.folder import RunDir


def main() -> int:
    """Run the engine of one folder. The exit status says only whether it could begin."""
    parser = argparse.ArgumentParser(prog="python -m cockpit.engine")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backend", choices=("unsloth", "transformers", "llama.cpp"), default="unsloth")
    parser.add_argument("--chat", action="store_true", help="load what the run has saved, and answer")
    parser.add_argument("--model", help="where the base is that a chat needs, in place of the recipe's model")
    parser.add_argument("--idle-s", type=float, default=None, help="unload after so many seconds without a reader")
    parser.add_argument("--nice", type=int, default=0, help="let other processes go first, by so much")
    parser.add_argument("--lock", type=int, default=None, help="descriptor of the folder's lock, held by the starter")
    options = parser.parse_args()
    hide_logins()

    os.nice(options.nice)  # before any thread begins: each has its own
    # Bars of libraries would fill engine.log with redrawn lines.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    from cockpit.engine.engine import IDLE_S, Engine
    from cockpit.engine.ownership import TAKEN
    from cockpit.runs.folder import RunDir

    try:
        engine = Engine(
            RunDir(options.folder.absolute()),
            options.backend,
            chat_only=options.chat,
            base=options.model,
            own_process=True,
            idle_s=IDLE_S if options.idle_s is None else options.idle_s,
            lock=options.lock,
        )
    except OSError as error:
        print(f"The engine cannot begin in {options.folder}: {error}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda signum, frame: engine.terminate(signal.Signals(signum).name))
    try:
        engine.run()
    except OSError:
        traceback.print_exc()
        return 1
    if engine.handed_on is not None:
        begin_anew(*engine.handed_on, options)
    if engine.was_taken:
        print(TAKEN, file=sys.stderr)
        return 1
    return 0


def begin_anew(run: RunDir, lock: int, options: argparse.Namespace) -> None:
    """Become a new engine of the same run: nothing that this one holds of the GPU is left. Does not return."""
    from cockpit.machine.child_environment import python_command

    arguments = [str(run.path), "--backend", options.backend, "--lock", str(lock)]
    if options.idle_s is not None:
        arguments += ["--idle-s", str(options.idle_s)]
    sys.stdout.flush()
    sys.stderr.flush()
    command = python_command("cockpit.engine", *arguments)
    os.execv(command[0], command)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that hang in a driver or in an import, and the stack's own clean-up, are not waited for.
    os._exit(status)
