"""cockpit recipes: which there are, what is in one, what is wrong with one, the schema that editors complete from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.library import LibraryEntry
    from cockpit.recipe.problem import Problem

recipes_app = typer.Typer(help="List, show and check recipes.", rich_markup_mode=None)


@recipes_app.callback(invoke_without_command=True)
def recipes(context: typer.Context) -> None:
    """List the recipes: your own, then those that come with cockpit. Where piped, a line each, tabs between columns."""
    if context.invoked_subcommand is not None:
        return
    from cockpit.recipe.library import library

    rows = [_row(entry) for entry in library()]
    if sys.stdout.isatty():
        _print_table(rows)
    else:
        for row in rows:
            print("\t".join(row))


@recipes_app.command()
def show(name: Annotated[str, typer.Argument(help="A recipe's name, or its file.")]) -> None:
    """Print a recipe's YAML, on a terminal after what it is for. To start one of your own: show demo > my.yaml"""
    from cockpit.recipe.library import find_recipe
    from cockpit.recipe.problem import RecipeError
    from cockpit.text.plain_text import plain_text

    try:
        document = find_recipe(name)
    except RecipeError as error:
        _print_problems(error.problems)
        raise typer.Exit(2) from None
    if sys.stdout.isatty():
        _print_about(document)
    print(plain_text(document.to_yaml()), end="")


@recipes_app.command()
def check(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help="Files, folders (with all below them) or names; all recipes if none."),
    ] = None,
) -> None:
    """Check recipes, starting nothing. Exit status 2 where one is wrong, or where there is none."""
    from cockpit.recipe.problem import RecipeError

    fine, wrong = 0, 0
    for load in _recipes_at(paths or []):
        try:
            load().recipe()
            fine += 1
        except RecipeError as error:
            wrong += 1
            _print_problems(error.problems)
    print(f"{fine} recipe{' is' if fine == 1 else 's are'} fine" + (f", {wrong} not" if wrong else ""))
    if wrong:
        raise typer.Exit(2)


@recipes_app.command()
def schema() -> None:
    """Print the JSON schema of a recipe, which editors complete and check YAML with."""
    from cockpit.recipe.schema import json_schema

    print(json_schema(), end="")


def _row(entry: LibraryEntry) -> tuple[str, str, str, str, str]:
    """Name, needs, duration, title, whose; as found even where the recipe is wrong elsewhere."""
    from cockpit.text.numbers import UNKNOWN
    from cockpit.text.plain_text import plain_line

    document, wrong = entry.document, _first_problem(entry)
    if document is None:
        return entry.name, UNKNOWN, UNKNOWN, wrong, entry.origin
    about = [document.value(f"about.{field}") for field in ("needs", "duration", "title")]
    shown = [plain_line(str(text)) if text else UNKNOWN for text in about]
    return entry.name, shown[0], shown[1], wrong or shown[2], entry.origin


def _first_problem(entry: LibraryEntry) -> str:
    """What is wrong with a recipe first, and where more is told; empty for a sound one."""
    from dataclasses import replace

    if not entry.problems:
        return ""
    return f"✗ {replace(entry.problems[0], file=entry.path.name)} (all: cockpit recipes check)"


def _print_table(rows: list[tuple[str, str, str, str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in ("recipe", "needs", "takes", "what it does", ""):
        table.add_column(name, no_wrap=name in ("needs", ""), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def _print_about(document: RecipeDocument) -> None:
    import shutil
    import textwrap

    from cockpit.text.plain_text import plain_line

    title, description, needs, duration = (
        plain_line(str(document.value(f"about.{field}") or ""))
        for field in ("title", "description", "needs", "duration")
    )
    width = max(40, min(100, shutil.get_terminal_size().columns))
    told = " ".join(filter(None, (needs and f"Needs {needs}.", duration and f"Takes {duration}.")))
    paragraphs = (title, textwrap.fill(description, width), told)
    print("\n".join(filter(None, paragraphs)), end="\n\n")


def _print_problems(problems: list[Problem]) -> None:
    for problem in problems:
        print(problem, file=sys.stderr)


def _recipes_at(paths: list[str]) -> Iterator[Callable[[], RecipeDocument]]:
    """What loads each recipe that the paths and names stand for, each file once; the whole library for no path."""
    from cockpit.paths import expanded, kind_of
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.library import find_recipe, library, recipe_files
    from cockpit.recipe.problem import Problem, RecipeError

    def none_in(place: str) -> RecipeDocument:
        raise RecipeError([Problem(place, None, "", "there is no recipe here", "give a folder with *.yaml files")])

    def load(path: Path) -> Callable[[], RecipeDocument]:
        return lambda: RecipeDocument.load(path)

    seen: set[Path] = set()
    files = [(str(entry.path), [entry.path]) for entry in library()] if not paths else []
    for name in paths:
        folder = expanded(name)
        match kind_of(folder):
            case "folder":
                files.append((name, recipe_files(folder)))
            case "file":
                files.append((name, [folder]))
            case "nothing":
                yield lambda name=name: find_recipe(name)  # type: ignore[misc]
    for place, found in files:
        if not found:
            yield lambda place=place: none_in(place)  # type: ignore[misc]
        for path in found:
            if path.resolve() not in seen:
                seen.add(path.resolve())
                yield load(path)
