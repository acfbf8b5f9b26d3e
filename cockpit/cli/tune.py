"""cockpit tune: the fastest way to train a recipe on this machine, measured."""

from __future__ import annotations

import difflib
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end, refuse
from cockpit.cli.recipe_args import STDIN, asked_for, blamed

if TYPE_CHECKING:
    from cockpit.recipe.document import RecipeDocument
    from cockpit.tuning.told import Told, TuneEnded

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
INTERRUPTED = 130


def tune(
    recipe: Annotated[str, typer.Argument(help="A recipe's name ('cockpit recipes' lists them) or its file.")],
    budget: Annotated[str, typer.Option(help="Begin no further probe after this time, such as 90s, 5m or 1h.")] = "5m",
    data: Annotated[Path | None, typer.Option(help="On this file of yours; its form is recognised.")] = None,
    model: Annotated[str | None, typer.Option(help="With this model: a local folder or a Hub name.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a field, such as lora.r=32; repeatable."),
    ] = None,
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
    from cockpit.machine.gpu import GpuProbe
    from cockpit.preflight.checks import preflight
    from cockpit.text.plain_text import plain_line
    from cockpit.tuning.told import encode
    from cockpit.tuning.tuner import Tuner

    budget_s = _seconds(budget)
    document, resolved = asked_for(recipe, data, model, settings or [], piped=True)
    report = GpuProbe().wait()
    problems = preflight(resolved, report, document.file, document.line)
    if problems:
        refuse([str(blamed(problem, data, model, settings or [])) for problem in problems])
    if (devices := resolved.hardware.devices) != 1:
        refuse([f"hardware.devices: {devices}: ways are measured on one GPU; give --set hardware.devices=1."])
    if write and recipe == STDIN:
        refuse(["--write: a recipe on stdin has no file to be written to; give a recipe's name or file."])
    tell: Callable[[Told], None] = lambda told: print(encode(told), flush=True)
    if not as_json:
        from cockpit.cli.tune_lines import TuneLines

        tell = TuneLines(sys.stdout)
    with _ended_as_by_an_interrupt():
        ended = Tuner(resolved, document.name, report, budget_s, tell).run()
    if ended.settings and recipe != STDIN:
        _offer(recipe, ended, write=write, quiet=as_json)
    if ended.stopped:
        raise typer.Exit(INTERRUPTED)
    if not ended.number:
        end(f"No way to train {plain_line(document.name)} could be measured here.", 1)


@contextmanager
def _ended_as_by_an_interrupt() -> Iterator[None]:
    """An end that is asked for leaves no engine behind, by whichever signal, also in a job that ignores Ctrl-C."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh]?)", text.strip())
    if found is None or not float(found[1]):
        refuse([f"--budget: {text!r} is no time; give one such as 90s, 5m or 1h."])
    return float(found[1]) * UNITS[found[2]]


def _offer(name: str, ended: TuneEnded, *, write: bool, quiet: bool) -> None:
    """Show what writing would change in the recipe's file, or write it."""
    from cockpit.recipe.library import find_recipe

    document = find_recipe(name)
    before = document.to_yaml()
    for field, value in ended.settings.items():
        document.set(field, value)
    target = _target(document)
    out = sys.stderr if quiet else sys.stdout
    if write:
        from cockpit.recipe.problem import RecipeError

        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            document.save(target)
        except (OSError, RecipeError) as error:
            end(f"{target} cannot be written: {error}.", 1)
        print(f"Written to {target}:", file=out)
    elif quiet:
        return
    else:
        print("training.fit: auto takes this from now on; --write would write it into the recipe:", file=out)
    lines = difflib.unified_diff(before.splitlines(), document.to_yaml().splitlines(), document.file, str(target), n=1)
    print("\n".join(line.rstrip("\n") for line in lines), file=out, flush=True)


def _target(document: RecipeDocument) -> Path:
    """Its file; of a recipe that cockpit ships the user's own copy."""
    from cockpit.paths import shipped_recipes_folder, user_recipes_folder

    path = document.path
    if path is None or path.resolve().is_relative_to(shipped_recipes_folder().resolve()):
        return user_recipes_folder() / f"{document.name}.yaml"
    return path
