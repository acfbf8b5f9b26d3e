"""The options by which commands name a recipe and change it for once"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipeName = Annotated[str, typer.Argument(help="A recipe's name ('cockpit recipes' lists them) or its file.")]
OnData = Annotated[Path | None, typer.Option(help="On this file of yours; its form is recognised.")]
WithModel = Annotated[str | None, typer.Option(help="With this model: a local folder or a Hub name.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a field, such as lora.r=32; repeatable."),
]
