"""cockpit compare: what runs came to, side by side, and where their recipes differ"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from cockpit.cli.ending import end, refuse
from cockpit.runs.comparison import MOST, Compared, called, differing
from cockpit.runs.labels import STATES
from cockpit.text.numbers import UNKNOWN, count, duration, metric
from cockpit.text.plain_text import plain_line


def compare(
    runs: Annotated[list[str], typer.Argument(help="Two to six runs: ids, unique beginnings of some, or last.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show runs side by side: how they ended, their main figure and its best, time, and the fields of their recipes
    that differ."""
    from cockpit.runs.folder import find_run

    try:
        found = list({run.path: run for run in map(find_run, runs)}.values())
    except LookupError as error:
        end(str(error), 2)
    if not 2 <= len(found) <= MOST:
        these = "this is one" if len(found) == 1 else f"these are {len(found)}"
        refuse([f"Two to {MOST} different runs can be compared; {these}."])
    compared = [Compared(run) for run in found]
    for one in compared:
        for _ in one.read():
            pass
    facts = [one.facts() for one in compared]
    recipes = [one.fields() for one in compared]
    names = differing(recipes)
    for run, fields in zip(found, recipes, strict=True):
        if not fields:
            why = f"The recipe of {plain_line(run.id)} cannot be read, so it is compared with no other."
            print(why, file=sys.stderr)
    if as_json:
        differences = {name: [fields.get(name) for fields in recipes] for name in names}
        print(json.dumps({"runs": facts, "differences": differences}, indent=2))
        return
    _print(facts, [(name, [_value(fields, name) for fields in recipes]) for name in names])
    if not names and all(recipes):
        print("Their recipes train the same.")


def _value(fields: dict[str, Any], name: str) -> str:
    if name not in fields:
        return UNKNOWN
    value = fields[name]
    return plain_line(value if isinstance(value, str) else json.dumps(value))[:40]


def _print(facts: list[dict[str, Any]], differing: list[tuple[str, list[str]]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column("", no_wrap=True)
    for one in facts:
        table.add_column(plain_line(one["id"]), justify="right", no_wrap=True)
    rows = {
        "state": [STATES[one["state"]] for one in facts],
        "steps": [f"{count(one['step'])}/{count(one['total_steps'])}" for one in facts],
        f"{called([one['figure'] for one in facts])}, last steps": [metric(one["value"]) for one in facts],
        "held-out": [metric(one["held_out"]) for one in facts],
        "best held-out": [
            f"{metric(one['best_held_out'])} at {count(one['best_step'])}" if one["best_step"] is not None else UNKNOWN
            for one in facts
        ],
        "time": [duration(one["took_s"]) for one in facts],
        "trained tokens": [count(one["trained_tokens"]) for one in facts],
    }
    evals = dict.fromkeys(name for one in facts for name in one["evals"])
    rows |= {plain_line(name): [one["evals"].get(name, UNKNOWN) for one in facts] for name in evals}
    for name, values in [*rows.items(), *differing]:
        table.add_row(name, *values)
    console = Console(markup=False, highlight=False)
    console.width = max(console.width, console.measure(table, options=console.options.update(width=1000)).maximum)
    console.print(table)
