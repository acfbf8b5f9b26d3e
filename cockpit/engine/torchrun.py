"""python -m cockpit.engine.torchrun: starts every rank of a run on this machine, through torchrun's API

Of several machines each has one. The first one's holds the run's lock while a rank lives. It hands signals on to rank
0, which stops all ranks at the same step, and ends the others when one has failed. The ranks end with it, however it
ends.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import uuid
from contextlib import suppress
from pathlib import Path

import psutil

from cockpit.machine.child_environment import python_command
from cockpit.protocol.commands import Stop
from cockpit.runs.folder import RunDir
from cockpit.runs.ranks import forget_ranks, take_wish_to_go_on
from cockpit.text.streams import hide_logins

LOCAL = "localhost"
ENDS_WITHIN_S = 20
"""How long ranks have to end once another has failed; then they are killed."""
REAPED_WITHIN_S = 3.0
"""How long torchrun has to say how the last rank of this machine has ended."""
MEET_WITHIN_S = 900
"""How long machines wait for each other."""
Status = list[int]


def main() -> int:
    """Start the ranks and wait for them. The exit status is 0 where all of them ended well."""
    parser = argparse.ArgumentParser(prog="python -m cockpit.engine.torchrun")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ranks", type=int, required=True, help="processes on this machine, one to a GPU")
    parser.add_argument("--nodes", type=int, default=1, help="machines that do the same")
    parser.add_argument("--node-rank", type=int, default=0, help="which of the machines this is")
    parser.add_argument("--rdzv", default=f"{LOCAL}:0", help="where the machines meet: HOST:PORT")
    parser.add_argument("--lock", type=int, default=None, help="descriptor of the folder's lock, held for all ranks")
    options, of_engine = parser.parse_known_args()
    hide_logins()
    run = RunDir(options.folder.absolute())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    missed: list[int] = []
    """Signals that no rank was there for: between two starts of them."""

    def take(signum: int, _frame: object) -> None:
        if not hand_on(run, signum, options.node_rank):
            missed.append(signum)

    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, take)
    if options.lock is not None:
        os.set_inheritable(options.lock, False)
        forget_ranks(run)
    return keep_started(run, options, of_engine, missed)


def keep_started(run: RunDir, options: argparse.Namespace, of_engine: list[str], missed: list[int]) -> int:
    """Start the ranks, and once more where they have ended with the wish to go on and nobody has ended the run
    meanwhile. The exit status."""
    status = start(run, options, of_engine)
    while status and not missed and options.lock is not None and take_wish_to_go_on(run):
        forget_ranks(run)
        status = start(run, options, of_engine)
    return status


def start(run: RunDir, options: argparse.Namespace, of_engine: list[str]) -> int:
    """Start this machine's ranks, and wait until they have ended. The exit status."""
    status: Status = []
    # Outside the main thread torchrun handles no signals, and the ranks end with the thread that has started them.
    launching = threading.Thread(target=launch, args=(run, options, of_engine, status), name="torchrun")
    launching.start()
    had_ranks = False
    while launching.is_alive():
        launching.join(0.2)  # signals are handled between two of them
        if options.nodes > 1 and launching.is_alive():
            has_ranks = any(map(is_rank, psutil.Process().children()))
            if had_ranks and not has_ranks and not status:
                launching.join(REAPED_WITHIN_S)
                # torchrun would wait for minutes until the other machines have ended, of which the first may chat.
                return status[0] if status else 0
            had_ranks = had_ranks or has_ranks
            if options.lock is not None and not had_ranks:
                with suppress(OSError):
                    run.touch_heartbeat()  # the other machines come only to a run that lives, and rank 0 waits for them
    return status[0] if status else 1


def is_rank(process: psutil.Process) -> bool:
    """Whether a child is a rank that lives."""
    try:
        return "--ranked" in process.cmdline()
    except psutil.Error:
        return False


def launch(run: RunDir, options: argparse.Namespace, of_engine: list[str], status: Status) -> None:
    """Start them through torchrun's API, and wait. `of_engine`: options of each. `status` is given the exit status."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(ENDS_WITHIN_S))
    config = LaunchConfig(
        min_nodes=options.nodes,
        max_nodes=options.nodes,
        nproc_per_node=options.ranks,
        run_id=run.id,
        role="rank",
        rdzv_backend="c10d" if options.nodes == 1 else "static",  # static: the first machine has rank 0
        rdzv_configs={} if options.nodes == 1 else {"rank": options.node_rank, "timeout": MEET_WITHIN_S},
        rdzv_endpoint=options.rdzv,
        max_restarts=0,
        local_addr=LOCAL if options.nodes == 1 else None,
    )
    ours = ("--ranked", "--launcher", str(os.getpid()))
    command = python_command("cockpit.engine", str(run.path), *ours, *of_engine)
    try:
        elastic_launch(config, command[0])(*command[1:])
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        code = failure.exitcode
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"has ended with status {code}"
        print(f"Rank {rank} (process {failure.pid}) {how}, and the others with it.", file=sys.stderr)
        status.append(1)
    else:
        status.append(0)


def hand_on(run: RunDir, number: int, node: int) -> bool:
    """Let rank 0 have the signal: it finishes the step with all others, and saves. Before it is there, end at once.
    From another machine it is asked to stop, by the folder that they share. False where it has just ended."""
    if node:
        run.send(Stop(id=uuid.uuid4().hex[:12]))
        return True
    identity = run.identity()
    if identity is None or not identity.ranks:
        os._exit(128 + number)
    try:
        os.kill(identity.ranks[0], number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    exit_status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_status)
