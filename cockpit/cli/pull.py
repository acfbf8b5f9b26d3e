"""cockpit pull: bring a run home from another machine, and see that every byte of it is right"""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from typing import Annotated

import typer

from cockpit.cli.ending import end, refuse
from cockpit.text.numbers import percent, size
from cockpit.text.plain_text import plain_line

TRIES, WAITS_S = 6, 5.0
TELLS_EVERY_S = 0.5


def pull(
    run: Annotated[str, typer.Argument(metavar="HOST:RUN", help="A host of your ssh config, and a run's id or last.")],
) -> None:
    """Bring a run home over ssh: logs, adapter or model, and the newest complete checkpoint, and verify each by its
    hash. Where the connection is lost it goes on from there, by itself or with the next call. The host is told once all
    is here, so that 'cockpit pulled RUN' says so there.

    Exit status: 0 here and verified, 1 not, 2 there is no such host or run.
    """
    from cockpit.remote.host import Host
    from cockpit.remote.parcel import Parcel, tell_host
    from cockpit.remote.pulled import digest_of
    from cockpit.remote.replacing import put_back, why_not_replaceable

    address, colon, name = run.rpartition(":")
    if not colon or not name or not address or "/" in name:
        refuse([f"{plain_line(run)} names no host and run; write HOST:RUN, such as gpu1:last."])
    try:
        host = Host.parse(address)
    except ValueError as error:
        refuse([str(error)])
    if shutil.which("ssh") is None:
        end("There is no ssh here; install OpenSSH's client.", 2)
    parcel = Parcel(host, name)
    told_at = 0.0

    def tell() -> None:
        nonlocal told_at
        if sys.stderr.isatty() and time.monotonic() - told_at > TELLS_EVERY_S and parcel.size:
            told_at = time.monotonic()
            share = percent(parcel.done / parcel.size)
            print(f"\r{size(parcel.done)} of {size(parcel.size)} {share}   ", end="", file=sys.stderr, flush=True)

    for attempt in range(1, TRIES + 1):
        try:
            parcel.fetch(tell)
            wrong = parcel.wrong()
        except ConnectionError as error:
            if attempt == TRIES or not parcel.run_id:
                end(f"{error} What has come is kept; pull again to go on." if parcel.done else str(error), 1)
            print(f"\n{error} It goes on in {WAITS_S:.0f} s.", file=sys.stderr)
            time.sleep(WAITS_S)
            continue
        except ValueError as error:
            end(str(error), 2)
        except OSError as error:
            end(f"It cannot be written here: {error.strerror or error}.", 1)
        if not wrong:
            break
        if attempt == TRIES:
            end(f"What has come is not what was sent: {', '.join(map(plain_line, wrong[:3]))}.", 1)
    if why := parcel.damage():
        end(f"It is damaged where it was trained, and not kept: {plain_line(why)}.", 1)
    here = parcel.run
    try:
        put_back(here)
        if here.path.exists() and (why := why_not_replaceable(here, host.address)):
            end(why, 1)
        before = parcel.keep()
    except OSError as error:
        end(f"It cannot be put among the runs: {error.strerror or error}.", 1)
    again = f", of which {size(parcel.again)} were here" if parcel.again else ""
    print(f"{plain_line(str(here.path))}  {size(parcel.size)}{again}, verified")
    if before is not None:
        print(f"What was changed here since it was pulled last is kept as the run {plain_line(before.id)}.")
    digest = digest_of(here)
    if not digest:
        print("It has saved no result yet; its logs are here, and its newest checkpoint where it has one.")
    elif why := tell_host(host, here, digest):
        print(f"The host was not told that it is here: {why}", file=sys.stderr)
        raise typer.Exit(1)
    else:
        print(f"Ask it with: cockpit chat {shlex.quote(plain_line(here.id))} -p QUESTION")
