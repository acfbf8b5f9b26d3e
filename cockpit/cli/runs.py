"""cockpit runs: the runs on this machine, newest first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.text.numbers import finite

if TYPE_CHECKING:
    from cockpit.runs.summary import RunSummary


def runs(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False) -> None:
    """List the runs, the last started or resumed first: how they ended or how far they are.

    A run's start is that of its first attempt.
    """
    from cockpit.paths import runs_folder
    from cockpit.runs.folder import all_runs
    from cockpit.runs.summary import RunSummary
    from cockpit.text.plain_text import plain_line

    summaries = [RunSummary.of(run) for run in all_runs()]
    if as_json:
        import json

        print(json.dumps([_plain(summary) for summary in summaries], indent=2))
    elif summaries:
        _print_table(summaries)
        for summary in summaries:
            if summary.damage:
                print(f"{plain_line(summary.run.id)} is damaged. {summary.damage}", file=sys.stderr)
    else:
        print(f"No runs in {plain_line(str(runs_folder()))} yet. Start one with: cockpit train demo")


def _plain(summary: RunSummary) -> dict[str, object]:
    return {
        "id": summary.run.id,
        "recipe": summary.recipe_name,
        "state": summary.state,
        "step": summary.step,
        "total_steps": summary.total_steps,
        "loss": finite(summary.loss),
        "eval_loss": finite(summary.eval_loss),
        "started_at": summary.started_at,
        "attempts": summary.attempts,
        "folder": str(summary.run.path),
        "damage": summary.damage,
    }


def _print_table(summaries: list[RunSummary]) -> None:
    import time

    from rich.console import Console
    from rich.table import Table

    from cockpit.runs.labels import STATES
    from cockpit.text import numbers
    from cockpit.text.plain_text import plain_line

    is_any_tested = any(summary.eval_loss is not None for summary in summaries)
    is_any_resumed = any(summary.attempts > 1 for summary in summaries)
    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column("run", no_wrap=True)
    table.add_column("state", no_wrap=True)
    more = [name for name, is_there in (("held-out", is_any_tested), ("attempts", is_any_resumed)) if is_there]
    for name in ("step", "loss", "started", *more):
        table.add_column(name, justify="right", no_wrap=True)
    for summary in summaries:
        cells = {
            "held-out": numbers.metric(summary.eval_loss),
            "attempts": str(summary.attempts) if summary.attempts > 1 else "",
        }
        table.add_row(
            plain_line(summary.run.id),
            STATES[summary.state],
            f"{numbers.count(summary.step)}/{numbers.count(summary.total_steps)}",
            numbers.metric(summary.loss),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(summary.started_at)),
            *(cells[name] for name in more),
        )
    console = Console(markup=False, highlight=False)
    # A line too long for the terminal, or for whatever reads this, is left whole.
    console.width = max(console.width, console.measure(table, options=console.options.update(width=1000)).maximum)
    console.print(table)
