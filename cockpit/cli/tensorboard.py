"""cockpit tensorboard: TensorBoard on the figures that a run has written for it."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end

if TYPE_CHECKING:
    from pathlib import Path

PORT = 6006
ANY_OR_THIS_MACHINE = ("127.0.0.1", "0.0.0.0", "::", "::1")


def tensorboard(
    run: Annotated[str, typer.Argument(help="A run's id, a unique beginning of one, or last.")] = "last",
    port: Annotated[int, typer.Option(help="The port on this machine.", min=1, max=65535)] = PORT,
    host: Annotated[str, typer.Option(help="The address to listen on; only this machine by default.")] = "127.0.0.1",
) -> None:
    """Start TensorBoard for a run whose recipe has output.report_to: [tensorboard]. Ctrl-C ends it."""
    from cockpit.paths import expanded
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.folder import find_run

    try:
        found = find_run(run)
        output = RecipeDocument.load(found.recipe).recipe().output
    except LookupError as error:
        end(str(error), 2)
    except RecipeError as error:
        end("\n".join(map(str, error.problems)), 2)
    folder = expanded(output.logging_dir) if output.logging_dir else found.path / "tensorboard"
    if not any(folder.rglob("events.out.tfevents.*")):
        wanted = "train with --set output.report_to=tensorboard"
        why = f"it has written none into {folder} yet" if "tensorboard" in output.report_to else wanted
        end(f"The run {found.id} has no figures for TensorBoard: {why}.", 1)
    why_not = _why_not_there(host, port)
    if why_not:
        end(why_not, 1)
    try:
        _serve(folder, host, port)
    except KeyboardInterrupt:  # before TensorBoard listens for it itself
        raise typer.Exit from None


def _why_not_there(host: str, port: int) -> str:
    """Why nothing can listen there, in a sentence; empty where it can."""
    import errno
    import socket

    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as there:
            there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as TensorBoard does, after one that has ended
            there.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"Port {port} is taken, perhaps by another TensorBoard; give a free one with --port."
        return f"TensorBoard cannot listen on port {port} of {host!r}: {error.strerror}; give another --port or --host."
    except UnicodeError:
        return f"TensorBoard cannot listen on {host!r}, which is no address; give another --host."
    return ""


def _serve(folder: Path, host: str, port: int) -> None:
    """TensorBoard in this very process, so that one Ctrl-C ends it whenever it comes; raises SystemExit at its end."""
    from importlib import import_module

    try:
        program = import_module("tensorboard.main")
    except ImportError as error:
        end(f"TensorBoard cannot be imported here ({error}); install it with: pip install tensorboard", 1)
    here = shlex.quote(os.uname().nodename)
    place = "localhost" if host in ANY_OR_THIS_MACHINE else host
    print(f"TensorBoard on http://{place}:{port}; from another machine, first: ssh -L {port}:{place}:{port} {here}")
    sys.stdout.flush()
    sys.argv = ["tensorboard", "--logdir", str(folder), "--port", str(port), "--host", host]
    program.run_main()
