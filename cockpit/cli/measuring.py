"""What commands that measure share: a time that is given, an end by any signal, what they would write into a recipe"""

from __future__ import annotations

import difflib
import re
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from cockpit.cli.ending import end, refuse
from cockpit.cli.recipe_args import STDIN, asked_for, blamed

if TYPE_CHECKING:
    from cockpit.machine.gpu import GpuReport
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.recipe import Recipe

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
INTERRUPTED = 130


def seconds(text: str) -> float:
    """Of a budget such as 90s, 5m or 1h; status 2 where it is none."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh]?)", text.strip())
    if found is None or not float(found[1]):
        refuse([f"--budget: {text!r} is no time; give one such as 90s, 5m or 1h."])
    return float(found[1]) * UNITS[found[2]]


def measurable(
    recipe: str, data: Path | None, model: str | None, settings: list[str], *, write: bool
) -> tuple[RecipeDocument, Recipe, GpuReport]:
    """The recipe that is asked for, checked against this machine; status 2 where it cannot be measured."""
    from cockpit.machine.gpu import GpuProbe
    from cockpit.preflight.checks import preflight

    document, resolved = asked_for(recipe, data, model, settings, piped=True)
    report = GpuProbe().wait()
    problems = preflight(resolved, report, document.file, document.line)
    if problems:
        refuse([str(blamed(problem, data, model, settings)) for problem in problems])
    if (devices := resolved.hardware.devices) != 1:
        refuse([f"hardware.devices: {devices}: it is measured on one GPU; give --set hardware.devices=1."])
    if (nodes := resolved.hardware.nodes) != 1:
        refuse([f"hardware.nodes: {nodes}: it is measured on one machine; give --set hardware.nodes=1."])
    if write and recipe == STDIN:
        refuse(["--write: a recipe on stdin has no file to be written to; give a recipe's name or file."])
    return document, resolved, report


@contextmanager
def ended_as_by_an_interrupt() -> Iterator[None]:
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


def offer(name: str, settings: Mapping[str, object], unasked: str, *, write: bool, quiet: bool) -> None:
    """Show what writing the settings would change in the recipe's file, under the words `unasked`, or write them."""
    from cockpit.recipe.library import find_recipe

    document = find_recipe(name)
    before = document.to_yaml()
    for field, value in settings.items():
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
        print(unasked, file=out)
    lines = difflib.unified_diff(before.splitlines(), document.to_yaml().splitlines(), document.file, str(target), n=1)
    print("\n".join(line.rstrip("\n") for line in lines), file=out, flush=True)


def _target(document: RecipeDocument) -> Path:
    """Its file; of a recipe that cockpit ships the user's own copy."""
    from cockpit.paths import shipped_recipes_folder, user_recipes_folder

    path = document.path
    if path is None or path.resolve().is_relative_to(shipped_recipes_folder().resolve()):
        return user_recipes_folder() / f"{document.name}.yaml"
    return path
