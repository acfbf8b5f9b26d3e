"""What `cockpit ssh://HOST` and `cockpit pull` call at the host: mirror, load, parts; and cockpit pulled"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end, refuse
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.runs.folder import RunDir

LOOK_EVERY_S = 5.0
Run = Annotated[str, typer.Argument(help="A run's id, a unique beginning of one, or last.")]


def mirror() -> None:
    """Tell a desk what is new in the runs here, for as long as it is connected. cockpit ssh://HOST calls it."""
    from cockpit.remote.far_end import FarEnd, gpu_facts

    try:
        FarEnd(sys.stdin.fileno(), os.dup(1), gpu_facts()).run()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the desk has gone
    except ValueError as error:
        end(f"What the desk says is not understood ({error}).", 1)


def load(run: Run) -> None:
    """Start an engine that answers with what a run has saved. cockpit ssh://HOST calls it."""
    from cockpit.launch.engines import EngineKey, start_chat_engine
    from cockpit.machine.gpu import GpuProbe
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.origin import recipe_of_run

    found = _found(run)
    try:
        recipe = recipe_of_run(found.path).recipe()
        started = start_chat_engine(found, EngineKey.to_ask(recipe, GpuProbe().wait()))
    except RecipeError as error:
        refuse([str(problem) for problem in error.problems])
    except (OSError, ValueError) as error:
        end(str(error), 1)
    started.link.close()


def parts(
    run: Run,
    have: Annotated[str, typer.Option("--from", help="- to read from stdin what is there already.")] = "",
) -> None:
    """Send a run's logs, result and newest checkpoint. cockpit pull calls it."""
    import msgspec

    from cockpit.remote.parcel import send

    found = _found(run)
    try:
        there = msgspec.json.decode(sys.stdin.buffer.read(), type=dict[str, int]) if have else {}
    except msgspec.DecodeError as error:
        end(f"What is there already cannot be read ({error}).", 2)
    try:
        send(found, there, os.dup(1))
    except BrokenPipeError:
        raise typer.Exit(1) from None


def pulled(
    run: Run,
    wait: Annotated[str | None, typer.Option(help="Wait for it this long: 12:00:00, or 30 for seconds.")] = None,
    digest: Annotated[str | None, typer.Option(hidden=True)] = None,
    to: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Whether what a run has saved was brought home by 'cockpit pull', whole: exit status 0 yes, 1 no.

    As lifecycle.on_end: 'cockpit pulled "$COCKPIT_RUN" --wait 12:00:00 && sudo poweroff'.
    """
    from cockpit.remote.pulled import Pulled, digest_of

    found = _found(run)
    if digest is not None:
        if digest != digest_of(found):
            end(f"{plain_line(found.id)} has saved something else since; pull it again.", 1)
        try:
            Pulled(at=time.time(), to=plain_line(to), digest=digest).write(found)
        except OSError as error:
            end(f"It cannot be kept that the run was pulled: {error.strerror or error}.", 1)
        return
    until = time.monotonic() + (_seconds(wait) if wait is not None else 0.0)
    while True:
        known = Pulled.of(found)
        if known is not None and known.digest and known.digest == digest_of(found):
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(known.at))
            print(f"{plain_line(found.id)} was brought to {plain_line(known.to)} whole, at {when}.")
            return
        left = until - time.monotonic()
        if left <= 0:
            end(f"{plain_line(found.id)} was not brought home yet; do so from there: cockpit pull HOST:RUN", 1)
        time.sleep(min(LOOK_EVERY_S, left))


def _seconds(text: str) -> float:
    parts = text.split(":")
    if len(parts) > 3 or not all(part.isdecimal() for part in parts):
        refuse([f"--wait {plain_line(text)} is no time; write 12:00:00, or 30 for seconds."])
    seconds = 0.0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return seconds


def _found(run: str) -> RunDir:
    from cockpit.runs.folder import find_run

    try:
        return find_run(run)
    except LookupError as error:
        end(str(error), 2)
