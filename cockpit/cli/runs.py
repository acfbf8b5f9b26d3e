"""cockpit runs: the runs on this machine, newest first."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import refuse
from cockpit.runs.labels import STATES
from cockpit.text.numbers import finite

if TYPE_CHECKING:
    from cockpit.runs.label import Label
    from cockpit.runs.summary import RunSummary


SORTS = {"started": "started_at", "loss": "value", "held-out": "held_out", "best": "best", "steps": "step"}
ORDERS = (*SORTS, "state")


@dataclass(frozen=True)
class Listed:
    """A run in the list: how it stands, what it is called, the best that it measured and the step of that."""

    summary: RunSummary
    label: Label
    best: tuple[float, int] | None

    def words(self) -> str:
        """All that it is found by."""
        summary = self.summary
        parts = (summary.run.id, summary.recipe_name, STATES[summary.state], self.label.name, self.label.note)
        return " ".join([*parts, *self.label.tags]).lower()

    def key(self, sort: str) -> tuple[bool, str, float]:
        """What it is sorted by; what is not known comes last."""
        if sort == "state":
            return False, STATES[self.summary.state], 0.0
        if sort in ("started", "steps"):
            return False, "", -getattr(self.summary, SORTS[sort])
        from cockpit.runs.summary import rank

        value = self.best and self.best[0] if sort == "best" else getattr(self.summary, SORTS[sort])
        return rank(value, self.summary.main)


def runs(
    words: Annotated[
        list[str] | None, typer.Argument(help="Only runs with all these words in id, name, tags, note or state.")
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(help=f"Sort by {', '.join(ORDERS)}, best first; loss is any main figure."),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only runs with this tag; repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List the runs, the last started or resumed first: how they ended or how far they are.

    A run's start is that of its first attempt. 'cockpit label' names and tags them, 'cockpit delete' removes them.
    """
    from cockpit.paths import runs_folder
    from cockpit.runs.best import best_held_out
    from cockpit.runs.folder import all_runs
    from cockpit.runs.label import Label
    from cockpit.runs.summary import RunSummary
    from cockpit.text.plain_text import plain_line

    if sort is not None and sort not in ORDERS:
        refuse([f"--sort {plain_line(sort)} is no order; give {', '.join(ORDERS[:-1])} or {ORDERS[-1]}."])
    every = [Listed(RunSummary.of(run), Label.of(run), best_held_out(run)) for run in all_runs()]
    wanted = [word.lower() for word in words or []]
    found = [one for one in every if all(word in one.words() for word in wanted)]
    found = [one for one in found if set(tag or []) <= set(one.label.tags)]
    if sort is not None:
        found.sort(key=lambda one: one.key(sort))
    if as_json:
        import json

        print(json.dumps([_plain(one) for one in found], indent=2))
    elif found:
        _print_table(found)
        for one in found:
            if one.summary.damage:
                print(f"{plain_line(one.summary.run.id)} is damaged. {one.summary.damage}", file=sys.stderr)
    elif every:
        print(
            f"None of {len(every)} runs has all of that."
            if len(every) > 1
            else "The only run does not have all of that."
        )
    else:
        print(f"No runs in {plain_line(str(runs_folder()))} yet. Start one with: cockpit train demo")


def _plain(one: Listed) -> dict[str, object]:
    from cockpit.runs.evals import newest_figures

    summary = one.summary
    return {
        "id": summary.run.id,
        "recipe": summary.recipe_name,
        "state": summary.state,
        "step": summary.step,
        "total_steps": summary.total_steps,
        "loss": finite(summary.loss),
        "eval_loss": finite(summary.eval_loss),
        "figure": summary.main.label,
        "value": finite(summary.value),
        "held_out": finite(summary.held_out),
        "best_held_out": one.best and one.best[0],
        "best_step": one.best and one.best[1],
        "name": one.label.name,
        "tags": list(one.label.tags),
        "note": one.label.note,
        "started_at": summary.started_at,
        "attempts": summary.attempts,
        "evals": {" ".join(key): value for key, value in newest_figures(summary.run).items()},
        "folder": str(summary.run.path),
        "damage": summary.damage,
    }


def _print_table(found: list[Listed]) -> None:
    import time

    from rich.console import Console
    from rich.table import Table

    from cockpit.runs.comparison import called
    from cockpit.text import numbers
    from cockpit.text.plain_text import plain_line

    summaries = [one.summary for one in found]
    is_any_tested = any(summary.held_out is not None for summary in summaries)
    is_any_better = any(one.best is not None and one.best[0] != one.summary.held_out for one in found)
    is_any_named = any(one.label.name or one.label.tags for one in found)
    is_any_resumed = any(summary.attempts > 1 for summary in summaries)
    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column("run", no_wrap=True)
    table.add_column("state", no_wrap=True)
    columns = (("held-out", is_any_tested), ("best", is_any_better), ("attempts", is_any_resumed))
    more = [name for name, is_there in columns if is_there]
    head = called([summary.main.label for summary in summaries])
    several = head == "main figure"
    for name in ("step", head, "started", *more):
        table.add_column(name, justify="right", no_wrap=True)
    if is_any_named:
        table.add_column("name and tags", no_wrap=True)
    for one in found:
        summary = one.summary
        cells = {
            "held-out": numbers.metric(summary.held_out),
            "best": f"{numbers.metric(one.best[0])} at {numbers.count(one.best[1])}" if one.best else "",
            "attempts": str(summary.attempts) if summary.attempts > 1 else "",
        }
        table.add_row(
            plain_line(summary.run.id),
            STATES[summary.state],
            f"{numbers.count(summary.step)}/{numbers.count(summary.total_steps)}",
            f"{plain_line(summary.main.label)} " * several + numbers.metric(summary.value),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(summary.started_at)),
            *(cells[name] for name in more),
            *([" ".join([one.label.name, *(f"#{tag}" for tag in one.label.tags)]).strip()] if is_any_named else []),
        )
    console = Console(markup=False, highlight=False)
    # A line too long for the terminal, or for whatever reads this, is left whole.
    console.width = max(console.width, console.measure(table, options=console.options.update(width=1000)).maximum)
    console.print(table)
