"""python -m cockpit.engine: the detached process"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.text.streams import hide_logins

if TYPE_CHECKING:
    from cockpit.engine.rank import Ranks
    from cockpit.runs.folder import RunDir

PR_SET_PDEATHSIG = 1
"""Of prctl in linux/prctl.h."""


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
    parser.add_argument("--ranked", action="store_true", help="one of several ranks, as the environment says")
    parser.add_argument("--launcher", type=int, default=None, help="process that has started all ranks of this machine")
    options = parser.parse_args()
    hide_logins()
    if options.launcher is not None:
        end_with_parent(options.launcher)

    os.nice(options.nice)  # before any thread begins: each has its own
    # Bars of libraries would fill engine.log with redrawn lines.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    from cockpit.engine.engine import IDLE_S, Engine
    from cockpit.engine.ownership import TAKEN
    from cockpit.engine.rank import Rank, Ranks
    from cockpit.runs.folder import RunDir

    ranks = Ranks(Rank.of_environment()) if options.ranked else None
    if ranks is not None:
        ranks.rank.take_gpu()
    if ranks is not None and not ranks.is_first:
        return other_rank(ranks, options)
    try:
        engine = Engine(
            RunDir(options.folder.absolute()),
            options.backend,
            chat_only=options.chat,
            base=options.model,
            own_process=True,
            idle_s=IDLE_S if options.idle_s is None else options.idle_s,
            lock=options.lock,
            ranks=ranks,
            launcher=options.launcher,
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
    return 1 if engine.leaves_others else 0  # who has started the ranks ends the others then


def other_rank(ranks: Ranks, options: argparse.Namespace) -> int:
    """Run a rank that is not the first. The exit status says whether it has trained to the end."""
    from cockpit.engine.other_rank import OtherRank, write_to_own_log
    from cockpit.runs.folder import RunDir

    run = RunDir(options.folder.absolute())
    try:
        write_to_own_log(run, ranks.rank.index)
        other = OtherRank(run, options.backend, ranks, options.launcher)
    except OSError as error:
        print(f"Rank {ranks.rank.index} cannot begin in {options.folder}: {error}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda signum, frame: other.terminate())
    return other.run()


def end_with_parent(parent: int) -> None:
    """Let the system end this process when `parent`, which has started it, has ended: also where that was killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was quicker
        os._exit(1)


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
