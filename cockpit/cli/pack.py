"""cockpit pack: a recipe with all that it needs, for a machine without a network."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end, refuse
from cockpit.cli.recipe_args import asked_for
from cockpit.cli.recipe_options import RecipeName, Settings, WithModel
from cockpit.text.plain_text import plain_line, plain_text

if TYPE_CHECKING:
    from cockpit.offline.pack import Pack
    from cockpit.recipe.data import Source
    from cockpit.recipe.document import RecipeDocument


def pack(
    recipe: RecipeName,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER|FILE.tar", help="Where to; the recipe's name and -pack unless given.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="With this file of yours; its form is recognised.")] = None,
    model: WithModel = None,
    settings: Settings = None,
    wheels: Annotated[bool, typer.Option(help="Whether the wheels of what trains here come with it.")] = True,
) -> None:
    """Gather a recipe's model, rows and pictures, and the wheels of what trains here, for a machine without a network.
    There: sh install.sh, then sh train.sh.

    Model and rows of the Hub are fetched where its cache lacks them. Wheels are fetched by pip, with your own settings
    (pip.conf, PIP_*; where those name no index, uv's UV_DEFAULT_INDEX and its like), in the versions that are installed
    here: pack on a machine with the same system and Python.

    Exit status: 0 packed, 1 something could not be had or written, 2 the recipe or a setting is wrong.
    """
    from cockpit.engine.errors import RunFailure
    from cockpit.machine.installed import INSTALL_STACK, NO_STACK
    from cockpit.offline.pack import new_pack
    from cockpit.paths import expanded
    from cockpit.text.numbers import size

    if importlib.util.find_spec("torch") is None:
        end(f"{NO_STACK}; a pack holds the wheels of what is. {INSTALL_STACK}", 1)
    document, _ = asked_for(recipe, data, model, settings or [])
    place = expanded(out or Path(f"{document.name}-pack")).absolute()
    if place.exists():
        refuse([f"{plain_line(str(place))}: this is there already; give another name as --out, or remove it."])
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with new_pack(place) as made:
            _gather(made, document)
            if wheels:
                made.add_wheels(_say)
            made.finish(document, plain_line(document.name))
    except (RunFailure, ValueError, ConnectionError, FileNotFoundError) as error:
        end(_sentence(error), 1)
    except OSError as error:
        end(f"It cannot be packed: {error.strerror or error} ({plain_line(str(error.filename or place))}).", 1)
    total = place.stat().st_size if place.is_file() else sum(one.stat().st_size for one in place.rglob("*"))
    print(f"{plain_line(str(place))}  {size(total)}; how it is used: README.md in it")


def _gather(made: Pack, document: RecipeDocument) -> None:
    """Copy all that the recipe names, and have it name the copies. Raises RunFailure, ValueError, OSError."""
    from cockpit.engine.hub.models import download, folder_of, is_on_hub
    from cockpit.offline.inputs import InputCopies

    model = document.recipe().model
    if is_on_hub(model):
        _say(f"the model {plain_line(model.name_or_path)}")
        download(model, _say, lambda done, total: None)
    copies = InputCopies(document, made.folder, _say)
    copies.copy_model(folder_of(model))
    copies.copy_adapter()
    copies.copy_rows(_write_rows)
    copies.copy_pictures()
    copies.copy_code()


def _write_rows(source: Source, path: Path) -> None:
    from cockpit.engine.data.row_source import is_on_hub
    from cockpit.engine.hub.datasets import download, write_parquet

    is_on_hub(source)
    download(source, lambda done, total: None)
    write_parquet(source, path)


def _say(text: str) -> None:
    print(plain_text(text), file=sys.stderr, flush=True)


def _sentence(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"It cannot be packed: {plain_line(str(error.filename))} is not there."
    return str(error)
