"""cockpit task: a recipe as a task of SkyPilot, or as a job of Kubernetes."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import refuse
from cockpit.cli.recipe_options import RecipeName, Settings
from cockpit.paths import kind_of
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.recipe.field_path import FieldPath
    from cockpit.recipe.recipe import Recipe

INSTALL = "pip install 'finetune-cockpit[train]'"


class For(StrEnum):
    """Who runs it."""

    SKYPILOT = "skypilot"
    K8S = "k8s"


def task(
    recipe: RecipeName,
    for_: Annotated[For, typer.Option("--for", help="Who runs it.")],
    data: Annotated[
        str | None, typer.Option(help="Train on this file, by its path there, or a name on the Hub.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Train this model: a folder or a Hub name.")] = None,
    settings: Settings = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs of a machine; the recipe's unless given.")] = None,
    nodes: Annotated[int | None, typer.Option(min=1, max=64, help="Machines that train together.")] = None,
    accelerator: Annotated[str, typer.Option(help="Kind of GPU that SkyPilot looks for, as H100.")] = "",
    image: Annotated[str, typer.Option(help="Image that it runs in; Kubernetes needs one.")] = "",
    volume: Annotated[
        str, typer.Option(help="Disk that keeps the runs: SkyPilot's volume, or Kubernetes' claim of one.")
    ] = "",
    install: Annotated[str, typer.Option(help="Command that installs cockpit there.")] = INSTALL,
) -> None:
    """Print the YAML of a recipe for `sky launch`, or for `kubectl apply`.

    It trains there, and goes on with its run when a machine was lost, if a --volume keeps the runs; without, it begins
    anew. What the recipe reads of this machine is brought along by SkyPilot; for Kubernetes it must lie on the volume.

    Exit status: 0 it is printed; 2 the recipe or a setting is wrong.
    """
    from cockpit.cli.recipe_args import asked_for
    from cockpit.launch import tasks
    from cockpit.recipe.field_path import dotted

    asked = [*(settings or []), *([f"data.sources.0.name_or_path={data}"] if data is not None else [])]
    document, resolved = asked_for(recipe, None, model, asked, gpus=str(gpus) if gpus else None)
    devices = _devices(resolved, gpus)
    is_file = Path(recipe).is_file()
    command = ["cockpit", "train", tasks.RECIPE if is_file else recipe]
    command += ["--model", model] if model is not None else []
    command += ["--gpus", str(devices)] if devices else []
    paths = _paths(resolved)
    placed = [f"{dotted(field)}={path}" for field, path in paths.items() if document.value(dotted(field)) != str(path)]
    changed = {one.partition("=")[0] for one in placed}
    asked = [one for one in asked if one.partition("=")[0].strip() not in changed]
    command += [part for one in [*asked, *placed] for part in ("--set", one)]
    try:
        made = tasks.Task(
            name=resolved.output.run_name or document.name,
            command=(*command, "--resume-or-start"),
            gpus=devices,
            nodes=nodes or resolved.hardware.nodes,
            accelerator=accelerator,
            image=image,
            volume=volume,
            install=install,
            recipe_file=str(Path(recipe).absolute()) if is_file else "",
            recipe_text=Path(recipe).read_text(encoding="utf-8") if is_file else "",
            files=_files(paths, image if for_ is For.SKYPILOT else ""),
            code=_code(resolved),
            grace_s=resolved.lifecycle.grace_s,
        )
        print(tasks.skypilot(made) if for_ is For.SKYPILOT else tasks.kubernetes(made), end="")
    except ValueError as error:
        refuse([str(error)])


def _devices(recipe: Recipe, asked: int | None) -> int:
    """GPUs of a machine; ends the command where nobody can know."""
    if recipe.hardware.gpu.strip().lower() == "none":
        if asked:
            refuse([f"--gpus {asked}: hardware.gpu is none, and it trains on the CPU; leave --gpus out."])
        return 0
    if asked is None and recipe.hardware.devices == "all":
        refuse(["hardware.devices: all counts GPUs of a machine that nobody knows yet; give their number with --gpus."])
    return recipe.hardware.gpus if asked is None else asked


def _paths(recipe: Recipe) -> dict[FieldPath, Path]:
    """What the recipe reads of a disk, by its field. An adapter of a run that is here is a folder."""
    from cockpit.recipe.local_paths import local_paths
    from cockpit.runs.starting_adapter import StartingAdapter

    found = {field: path for field, path in local_paths(recipe).items() if field[0] != "output"}
    if recipe.model.adapter is not None:
        with contextlib.suppress(ValueError):  # a run that is there
            found["model", "adapter"] = StartingAdapter.named(recipe.model.adapter).path.absolute()
    return found


def _files(paths: dict[FieldPath, Path], image: str) -> tuple[str, ...]:
    """Those of them that lie on this machine; ends the command where one lies nowhere. An `image` may hold some."""
    from cockpit.launch.tasks import HOME
    from cockpit.recipe.field_path import dotted

    found = {field: path for field, path in paths.items() if not path.is_relative_to(HOME)}
    missing = [field for field, path in found.items() if kind_of(path) == "nothing"]
    if missing and not image:
        wrong = f"{dotted(missing[0])}: {plain_line(str(found[missing[0]]))} is not on this machine"
        refuse([f"{wrong}; give what is, a path below {HOME} on the volume, or a name on the Hub."])
    return tuple(dict.fromkeys(str(path) for field, path in found.items() if field not in missing))


def _code(recipe: Recipe) -> tuple[tuple[str, str], ...]:
    """Modules of the user's own in this folder, and their text; ends the command where one cannot be brought there."""
    from cockpit.recipe.own_modules import files_of_judges, own_modules

    if judges := files_of_judges(recipe):
        name = plain_line(str(judges[0]))
        refuse([f"The judge's file {name} is not brought there; give a command that --install installs there."])
    found = []
    for module in own_modules(recipe):
        path = Path.cwd() / f"{module}.py"
        if path.is_file():
            found.append((str(path), path.read_text(encoding="utf-8")))
        elif path.with_suffix("").is_dir():
            refuse([f"The module {module} is a folder here; make it one file, or have --install install it there."])
    return tuple(found)
