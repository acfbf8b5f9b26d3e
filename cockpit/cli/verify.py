"""cockpit verify: whether what is shipped is what was trained."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end
from cockpit.cli.moved_base import MovedBase, settle_base
from cockpit.cli.trust import TrustRemoteCode, settle_trust

if TYPE_CHECKING:
    from cockpit.runs.folder import RunDir
    from cockpit.runs.receipt import Receipt


def verify(
    artefact: Annotated[Path, typer.Argument(help="The folder of an adapter or a merged model, or a GGUF file.")],
    run: Annotated[str, typer.Argument(help="The run that it was made of: an id, a unique beginning of one, or last.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the receipt there too.")] = None,
    max_kl: Annotated[float | None, typer.Option(help="The largest mean KL, in nats a token.", min=0)] = None,
    min_agreement: Annotated[
        float | None, typer.Option(help="The least share of greedy tokens that agree.", min=0, max=1)
    ] = None,
    model: MovedBase = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Put prompts of the run to what is shipped, by the program that will run it (peft, transformers or llama.cpp), and
    compare with the adapter on its base: the tokens of each prompt, the greedy tokens of each reply, the
    probabilities, and whether turns are ended.

    Exit status: 0 it is what was trained, 1 it is not or could not be compared, 2 an option is wrong.
    """
    from cockpit.paths import expanded, kind_of
    from cockpit.runs.folder import find_run
    from cockpit.runs.receipt import encoded

    place = expanded(artefact).absolute()
    if kind_of(place) == "nothing":
        end(f"There is nothing at {place}; name a folder or a GGUF file.", 2)
    if out is not None and not out.absolute().parent.is_dir():
        end(f"--out: there is no folder {out.absolute().parent}.", 2)
    try:
        found = find_run(run)
    except LookupError as error:
        end(str(error), 2)
    settle_trust(found, trust_remote_code)
    try:
        receipt = _receipt(found, place, settle_base(model, found), max_kl, min_agreement)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if out is not None:
        from cockpit.disk import write_named

        try:
            write_named(out, encoded(receipt))
        except OSError as error:
            end(f"--out: {out} cannot be written: {error.strerror or error}.", 1)
    if as_json:
        print(encoded(receipt).decode(), end="")
    else:
        print("\n".join(receipt.lines()))
    if not receipt.passed:
        raise typer.Exit(1)


def _receipt(run: RunDir, place: Path, base: str | None, max_kl: float | None, min_agreement: float | None) -> Receipt:
    """What the process that compares has found. Ends the command where it has found nothing."""
    import tempfile

    from cockpit.cli.told_process import follow
    from cockpit.launch.engines import engine_environment
    from cockpit.launch.exports import export_key
    from cockpit.machine.child_environment import python_command
    from cockpit.machine.gpu import GpuProbe
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.origin import recipe_of_run
    from cockpit.runs.receipt import RECEIPT, receipt_in

    try:
        key = export_key(recipe_of_run(run.path).recipe(), GpuProbe().wait())
    except RecipeError as error:
        end("\n".join(map(str, error.problems)), 2)
    except ValueError as error:
        end(str(error), 1)
    options = ["--model", base] if base else []
    options += [] if max_kl is None else ["--max-kl", str(max_kl)]
    options += [] if min_agreement is None else ["--min-agreement", str(min_agreement)]
    with tempfile.TemporaryDirectory() as name:
        command = python_command("cockpit.engine.export.verify", str(run.path), str(place))
        with (run.path / "export.log").open("ab") as log:
            _, said = follow([*command, "--out", str(Path(name) / RECEIPT), *options], engine_environment(key), log)
        found = receipt_in(Path(name))
    if found is None:
        print(f"It could not be compared with the run; its log: {run.path / 'export.log'}", file=sys.stderr)
        end(said, 1)
    return found
