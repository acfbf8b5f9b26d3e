"""cockpit tensorboard: TensorBoard on the figures that a run has written for it."""

from __future__ import annotations

import importlib.util
import os
import shlex
import sys
from typing import Annotated, NoReturn

import typer

PORT = 6006


def tensorboard(
    run: Annotated[str, typer.Argument(help="A run's id, a unique beginning of one, or last.")] = "last",
    port: Annotated[int, typer.Option(help="The port on this machine.", min=1, max=65535)] = PORT,
    host: Annotated[str, typer.Option(help="The address to listen on; only this machine by default.")] = "127.0.0.1",
) -> None:
    """Start TensorBoard for a run whose recipe has output.report_to: [tensorboard]. Ctrl-C ends it."""
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.embedded import expanded
    from cockpit.recipe.problem import RecipeError
    from cockpit.run_dir import find_run

    try:
        found = find_run(run)
        output = RecipeDocument.load(found.recipe).recipe().output
    except LookupError as error:
        _end(str(error), 2)
    except RecipeError as error:
        _end("\n".join(map(str, error.problems)), 2)
    folder = expanded(output.logging_dir) if output.logging_dir else found.path / "tensorboard"
    if not any(folder.rglob("events.out.tfevents.*")):
        wanted = "train with --set output.report_to=tensorboard"
        why = f"it has written none into {folder} yet" if "tensorboard" in output.report_to else wanted
        _end(f"The run {found.id} has no figures for TensorBoard: {why}.", 1)
    if importlib.util.find_spec("tensorboard") is None:
        _end("TensorBoard is not installed here; install it with: pip install tensorboard", 1)
    here = shlex.quote(os.uname().nodename)
    print(f"TensorBoard on http://localhost:{port}; from another machine, first: ssh -L {port}:localhost:{port} {here}")
    sys.stdout.flush()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port), "--host", host]
    os.execv(sys.executable, command)


def _end(sentence: str, status: int) -> NoReturn:
    from cockpit.plain_text import plain_text

    print(plain_text(sentence), file=sys.stderr)
    raise typer.Exit(status)
