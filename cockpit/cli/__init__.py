"""One file a command, its parts imported when it is called; the one place where parts are wired together."""

from __future__ import annotations

from typing import Annotated

import typer

from cockpit.cli.attach import attach
from cockpit.cli.cache import cache
from cockpit.cli.card import card
from cockpit.cli.chat import chat
from cockpit.cli.compare import compare
from cockpit.cli.data import data
from cockpit.cli.doctor import doctor
from cockpit.cli.eject import eject
from cockpit.cli.eval import eval_
from cockpit.cli.export import export
from cockpit.cli.import_ import import_
from cockpit.cli.labels import delete, label
from cockpit.cli.logs import events, logs
from cockpit.cli.lr import lr
from cockpit.cli.mirror import load, mirror, parts, pulled
from cockpit.cli.pack import pack
from cockpit.cli.plan import plan
from cockpit.cli.pull import pull
from cockpit.cli.queue import queue_app
from cockpit.cli.recipes import recipes_app
from cockpit.cli.replay import replay
from cockpit.cli.resume import resume
from cockpit.cli.runs import runs
from cockpit.cli.search import search
from cockpit.cli.send import send
from cockpit.cli.slurm import slurm
from cockpit.cli.smoke import smoke
from cockpit.cli.status import status
from cockpit.cli.task import task
from cockpit.cli.tensorboard import tensorboard
from cockpit.cli.timelapse import timelapse
from cockpit.cli.train import train
from cockpit.cli.tune import tune
from cockpit.cli.verify import verify
from cockpit.cli.watch import watch

cockpit = typer.Typer(
    name="cockpit",
    help="A terminal cockpit for LoRA fine-tuning. Without a command it opens the app; with ssh://HOST ... on the runs "
    "of servers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
cockpit.add_typer(recipes_app, name="recipes")
cockpit.add_typer(queue_app, name="queue")
COMMANDS = (
    train,
    plan,
    tune,
    lr,
    data,
    resume,
    attach,
    replay,
    watch,
    status,
    logs,
    events,
    send,
    runs,
    compare,
    label,
    delete,
    chat,
    smoke,
    export,
    eject,
    card,
    verify,
    tensorboard,
    timelapse,
    pull,
    pulled,
    search,
    slurm,
    task,
    pack,
    cache,
    doctor,
)
for command in COMMANDS:
    cockpit.command()(command)
cockpit.command(name="import")(import_)
for called_by_ssh in (mirror, load, parts):
    cockpit.command(hidden=True)(called_by_ssh)
cockpit.command(name="eval")(eval_)


def _version(asked: bool) -> None:
    if asked:
        from cockpit import __version__

        typer.echo(f"cockpit {__version__}")
        raise typer.Exit


@cockpit.callback()
def _cockpit(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version.")
    ] = False,
) -> None:
    """A terminal cockpit for LoRA fine-tuning. Without a command it opens the app; with ssh://HOST ... on the runs of
    servers."""
