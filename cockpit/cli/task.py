"""cockpit task: a recipe as a task of SkyPilot, or as a job of Kubernetes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import refuse

if TYPE_CHECKING:
    from cockpit.recipe.recipe import Recipe

INSTALL = "pip install 'finetune-cockpit[train]'"


class For(StrEnum):
    """Who runs it."""

    SKYPILOT = "skypilot"
    K8S = "k8s"


def task(
    recipe: Annotated[str, typer.Argument(help="A recipe's name ('cockpit recipes' lists them) or its file.")],
    for_: Annotated[For, typer.Option("--for", help="Who runs it.")],
    data: Annotated[
        str | None, typer.Option(help="Train on this file, by its path there, or a name on the Hub.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Train this model: a folder or a Hub name.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a field, such as lora.r=32; repeatable."),
    ] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs of a machine; the recipe's unless given.")] = None,
    nodes: Annotated[int | None, typer.Option(min=1, max=64, help="Machines that train together.")] = None,
    accelerator: Annotated[str, typer.Option(help="Kind of GPU that SkyPilot looks for, as H100.")] = "",
    image: Annotated[str, typer.Option(help="Image that it runs in; Kubernetes needs one.")] = "",
    volume: Annotated[
        str, typer.Option(help="SkyPilot's volume, or Kubernetes' claim of one, that keeps the runs.")
    ] = "",
    install: Annotated[str, typer.Option(help="Command that installs cockpit there.")] = INSTALL,
) -> None:
    """Print the YAML of a recipe for `sky launch`, or for `kubectl apply`.

    It trains there, and goes on with its run when a machine was lost.

    Exit status: 0 it is printed; 2 the recipe or a setting is wrong.
    """
    from cockpit.cli.recipe_args import asked_for
    from cockpit.launch import tasks

    asked = [*(settings or []), *([f"data.sources.0.name_or_path={data}"] if data is not None else [])]
    document, resolved = asked_for(recipe, None, model, asked, gpus=str(gpus) if gpus else None)
    devices = _devices(resolved, gpus)
    is_file = Path(recipe).is_file()
    command = ["cockpit", "train", tasks.RECIPE if is_file else recipe]
    command += ["--model", model] if model is not None else []
    command += ["--gpus", str(devices)] if devices else []
    command += [part for one in asked for part in ("--set", one)]
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
            files=_files(resolved),
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


def _files(recipe: Recipe) -> tuple[str, ...]:
    """What the recipe reads of this machine's disk."""
    from cockpit.launch.tasks import HOME
    from cockpit.paths import local_path

    names = [recipe.model.name_or_path, *(source.name_or_path for _, source in recipe.data.every_source())]
    found = [path for name in names if (path := local_path(name)) is not None]
    return tuple(dict.fromkeys(str(path) for path in found if not str(path).startswith(f"{HOME}/")))
