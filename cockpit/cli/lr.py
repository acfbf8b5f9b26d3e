"""cockpit lr: the learning rate that suits a recipe's rows, by short runs at one rate after another."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end, refuse
from cockpit.cli.measuring import INTERRUPTED, ended_as_by_an_interrupt, measurable, offer, seconds
from cockpit.cli.recipe_args import STDIN
from cockpit.cli.recipe_options import OnData, RecipeName, Settings, WithModel
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.tuning.rates import RateTold

UNASKED = "The recipe's line to take, which --write would write:"


def lr(
    recipe: RecipeName,
    budget: Annotated[str, typer.Option(help="Begin no further rate after this time, such as 90s, 20m or 1h.")] = "20m",
    data: OnData = None,
    model: WithModel = None,
    settings: Settings = None,
    steps: Annotated[int, typer.Option(min=20, max=190, help="Steps at each rate.")] = 60,
    write: Annotated[bool, typer.Option(help="Write the rate into the recipe, and show the difference.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what happens as JSON lines.")] = False,
) -> None:
    """Find the learning rate for your rows: 60 steps of the same rows at each of a few rates, judged by held-out rows.

    It begins with the recipe's own rate and the one that models of its size usually take, and goes on to twice and half
    of the best until that has worse ones on both sides. A rate that diverges, or lies far behind, is ended early. Of
    equal ones the most usual is taken. Long runs may want a little less than what 60 steps tell.

    Exit status: 0 a rate is known, 1 none could be measured, 2 the recipe or a setting is wrong, 130 stopped.
    """
    import msgspec

    from cockpit.preflight.outlook import fitted_here
    from cockpit.recipe.library import find_recipe
    from cockpit.tuning.rates import RateProber, why_no_rates

    budget_s = seconds(budget)
    document, resolved, report = measurable(recipe, data, model, settings or [], write=write)
    if why := why_no_rates(resolved):
        refuse([why])
    tell: Callable[[RateTold], None] = lambda told: print(msgspec.json.encode(told).decode(), flush=True)
    if not as_json:
        from cockpit.cli.rate_lines import RateLines

        tell = RateLines(sys.stdout)
    with ended_as_by_an_interrupt():
        ended = RateProber(fitted_here(resolved, report).recipe, document.name, report, budget_s, tell, steps).run()
    if ended.rate is not None and recipe != STDIN and ended.rate != find_recipe(recipe).value("training.learning_rate"):
        offer(recipe, {"training.learning_rate": ended.rate}, UNASKED, write=write, quiet=as_json)
    if ended.stopped:
        raise typer.Exit(INTERRUPTED)
    if ended.rate is None:
        end(f"No learning rate of {plain_line(document.name)} could be measured here.", 1)
