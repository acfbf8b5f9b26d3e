"""cockpit tune: the fastest way to train a recipe on this machine, measured."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end
from cockpit.cli.measuring import INTERRUPTED, ended_as_by_an_interrupt, measurable, offer, seconds
from cockpit.cli.recipe_args import STDIN
from cockpit.cli.recipe_options import OnData, RecipeName, Settings, WithModel

if TYPE_CHECKING:
    from cockpit.tuning.told import Told

TAKEN = "training.fit: auto takes this from now on; --write would write it into the recipe:"


def tune(
    recipe: RecipeName,
    budget: Annotated[str, typer.Option(help="Begin no further probe after this time, such as 90s, 5m or 1h.")] = "5m",
    data: OnData = None,
    model: WithModel = None,
    settings: Settings = None,
    write: Annotated[
        bool, typer.Option(help="Write the fastest way into the recipe, and show the difference.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what happens as JSON lines.")] = False,
) -> None:
    """Measure how a recipe trains fastest on this machine: a few steps each of the real rows, the same ones for all.

    Each way is tried by an engine of its own, one after another: micro-batch against accumulation, checkpointing,
    padding, dataloader workers. What changes more than speed and memory (packing, grouping, precision, backend) is
    shown beside them, marked, and never chosen. training.fit: auto takes the answer from then on. Ctrl-C ends it with
    what is known.

    Exit status: 0 a fastest way is known, 1 none could be measured, 2 the recipe or a setting is wrong, 130 stopped.
    """
    from cockpit.text.plain_text import plain_line
    from cockpit.tuning.told import encode
    from cockpit.tuning.tuner import Tuner

    budget_s = seconds(budget)
    document, resolved, report = measurable(recipe, data, model, settings or [], write=write)
    tell: Callable[[Told], None] = lambda told: print(encode(told), flush=True)
    if not as_json:
        from cockpit.cli.tune_lines import TuneLines

        tell = TuneLines(sys.stdout)
    with ended_as_by_an_interrupt():
        ended = Tuner(resolved, document.name, report, budget_s, tell).run()
    if ended.settings and recipe != STDIN:
        offer(recipe, ended.settings, TAKEN, write=write, quiet=as_json)
    if ended.stopped:
        raise typer.Exit(INTERRUPTED)
    if not ended.number:
        end(f"No way to train {plain_line(document.name)} could be measured here.", 1)
