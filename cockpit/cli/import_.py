"""cockpit import: a recipe made of another tool's file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end, refuse

if TYPE_CHECKING:
    from cockpit.importing.importer import Imported


def import_(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="An Unsloth notebook or script, or a configuration of Unsloth's command line, LLaMA-Factory, Axolotl, "
            "torchtune, ms-swift or a PEFT adapter.",
        ),
    ],
    as_: Annotated[
        str | None, typer.Option("--as", metavar="RECIPE.YAML", help="Write the recipe here; printed unless given.")
    ] = None,
) -> None:
    """Make a recipe of what another tool trains with. Nothing of the file is run.

    Each of its settings becomes a field, is kept as a comment with the reason, or is named as not carried over; how
    many of each is said on stderr. Datasets that LLaMA-Factory registers in dataset_info.json are followed to their
    files, and those of a notebook to what is loaded and made of it; lines of a notebook are counted over its code.

    Exit status: 0 the recipe is made and passes its checks, 2 it cannot be made of this file.
    """
    from cockpit.importing.importer import import_file
    from cockpit.paths import expanded
    from cockpit.recipe.document import shown_path
    from cockpit.recipe.problem import RecipeError
    from cockpit.text.plain_text import plain_text

    target = None if as_ is None else expanded(as_)
    if target is not None:
        _refuse_target(target)
    path = expanded(file)
    try:
        made = import_file(path, shown_path(path.absolute()))
    except RecipeError as error:
        refuse([str(problem) for problem in error.problems])
    if target is None:
        print(plain_text(made.text), end="")
    else:
        _write(target, made.text)
    _tell(made, target)


def _refuse_target(target: Path) -> None:
    """End where the recipe could not be written, before anything is read."""
    from cockpit.recipe.document import shown_path
    from cockpit.recipe.library import ENDINGS

    shown = shown_path(target)
    if target.suffix not in ENDINGS:
        refuse([f"{shown}: a recipe's file ends in .yaml; give --as {target.stem or 'recipe'}.yaml."])
    if target.exists():
        refuse([f"{shown}: there is such a file already; give another name, or remove it."])


def _write(target: Path, text: str) -> None:
    from cockpit.disk import write_atomically

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, text)
    except OSError as error:
        end(f"{target}: the recipe cannot be written ({error.strerror or error}).", 2)


def _tell(made: Imported, target: Path | None) -> None:
    """The share of the settings that is carried over, what is not, and how to go on."""
    from cockpit.importing.write import share, told
    from cockpit.text.plain_text import plain_line

    ledger = made.ledger
    lines = [f"{plain_line(ledger.tool)}: {share(ledger)}."]
    lost = ledger.of("lost")
    if lost:
        lines += ["Not carried over:", *(f"  {_place(one.setting.line)}{told(one)}" for one in lost)]
    if not made.names_data:
        lines.append("The file names no data: give it as data.sources, or at the start as --data FILE.")
    if target is not None:
        name = plain_line(str(target))
        lines.append(
            f"{name} passes its checks. What it comes to: cockpit plan {name}; to start it: cockpit train {name}"
        )
    print("\n".join(lines), file=sys.stderr)


def _place(line: int | None) -> str:
    return "" if line is None else f"line {line}: "
