"""cockpit data: what training will see of a recipe's data, by the tokenizer alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import refuse
from cockpit.cli.recipe_args import STDIN, asked_for, blamed
from cockpit.text import numbers
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from rich.text import Text

    from cockpit.data.report import DataReport, Sample
    from cockpit.data.row_losses import RowLosses
    from cockpit.machine.gpu import GpuProbe
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.folder import RunDir

SHOWN_LOSSES = 40
"""Rows of a run that are looked at because their loss was high."""
SHOWN_HIGH = 12
"""Of these, those that are printed as figures."""
SHOWN_SAMPLES = 2
SHOWN_TOKENS = 1_500
"""Of a sample that is printed."""
BINS = 12
BAR_CELLS = 40


def data(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or file, - for one on stdin, or a run's id, or last.")],
    data: Annotated[Path | None, typer.Option(help="Look at this file of yours; its form is recognised.")] = None,
    model: Annotated[str | None, typer.Option(help="With the tokenizer of this model: a folder or a Hub name.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a field, such as data.chat_template=chatml."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as one JSON document.")] = False,
) -> None:
    """Show what training will see of a recipe's data: rows, tokens, what is trained. No model is loaded.

    Of a run with output.row_losses: true, the rows come first whose loss was furthest above that of the others.

    Exit status: 0 training would learn from it, 1 it would not, 2 the recipe, the tokenizer or the data is no good.
    """
    from cockpit.preflight.checks import preflight_of_data

    run = None if data or model or settings else _run_of(recipe)
    document, resolved = asked_for(str(run.recipe) if run else recipe, data, model, settings or [], piped=True)
    problems = preflight_of_data(resolved, document.file, document.line)
    if problems:
        refuse([str(blamed(problem, data, model, settings or [])) for problem in problems])
    report = report_of(resolved, run.id if run else document.name, _losses_of(run) if run else None)
    if as_json:
        import msgspec

        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    else:
        _print(report)
    if not report.trains:
        raise typer.Exit(1)


def _run_of(name: str) -> RunDir | None:
    """The run of that name; None where it names a recipe, or nothing that is there."""
    from cockpit.recipe.library import find_recipe
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.folder import find_run

    if name == STDIN:
        return None
    try:
        find_recipe(name)
    except RecipeError:
        try:
            return find_run(name)
        except LookupError as error:
            if name == "last":
                refuse([str(error)])
    return None


def _losses_of(run: RunDir) -> RowLosses | None:
    """The highest rows of a run; None where it has kept none."""
    from cockpit.data.row_losses import row_losses

    try:
        return row_losses(run.row_losses, SHOWN_LOSSES)
    except FileNotFoundError:
        return None
    except OSError as error:
        refuse([f"{run.row_losses.name} of the run cannot be read ({plain_line(error.strerror or str(error))})."])


def report_of(recipe: Recipe, name: str, losses: RowLosses | None = None) -> DataReport:
    """The report, with the highest rows among `losses`. Nothing that libraries say comes through; status 2 where there
    is no report."""
    import logging
    import warnings
    from contextlib import redirect_stderr, redirect_stdout

    from cockpit.machine.gpu import GpuProbe

    probe = GpuProbe()
    for variable in ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"):
        os.environ.setdefault(variable, "1")
    if sys.stderr.isatty():
        print("tokenizing ...", file=sys.stderr)
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            logging.disable()
            from cockpit.engine.data.without_torch import without_torch

            with without_torch(recipe):
                from cockpit.engine.data.report import data_report

                return data_report(recipe, name, has_gpu=_has_gpu(recipe, probe), losses=losses)
    except Exception as error:
        from cockpit.engine.errors import RunFailure, classify_error
        from cockpit.machine.installed import is_stack_missing

        ending = classify_error(error, recipe, 0)
        advice = ending.advice if isinstance(error, RunFailure) or is_stack_missing(error) else ""
        refuse([" ".join(filter(None, (f"{ending.reason.rstrip('.')}.", advice)))])
    finally:
        logging.disable(logging.NOTSET)


def _has_gpu(recipe: Recipe, probe: GpuProbe) -> bool:
    """Whether a run of the recipe would have one here."""
    from cockpit.machine.gpu import DRIVERLESS, NONE

    try:
        return probe.wait().choose(recipe.hardware.gpu) not in (NONE, DRIVERLESS)
    except ValueError:
        return True  # the run that has this GPU is another machine's


def _print(report: DataReport) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for alarm in report.alarms():
        console.print(Text(f"✗ {alarm}", "bold red"))
    for name, value in _figures(report):
        console.print(Text.assemble((f"{name:<13}", "dim"), value))
    for line in _high_rows(report):
        console.print(Text(line))
    console.print()
    for line in _histogram(report):
        console.print(Text(line))
    marks = not console.is_terminal
    high = sorted((one for one in report.samples if one.loss), key=lambda one: -one.loss.excess if one.loss else 0.0)
    for sample in (high or report.samples)[:SHOWN_SAMPLES]:
        console.print()
        console.print(_head(sample), style="bold")
        console.print(rendered(sample, marks))
    if report.samples:
        console.print()
        trained = "between « and »" if marks else "bold and underlined"
        console.print(Text(f"Trained is what is {trained}; the rest is read and not learnt.", "dim"))


def _figures(report: DataReport) -> Iterator[tuple[str, str]]:
    """Name and value of each line."""
    from cockpit.data.report_text import figures_of

    yield "recipe", report.recipe
    yield "tokenizer", f"of {report.model}, chat template: {report.template}"
    for source in report.sources:
        yield "data", source
    for figure in figures_of(report):
        yield figure.name, figure.value + (f" ({figure.note})" if figure.note else "")
    for reason in report.left_out:
        yield "left out", reason
    for note in report.notes:
        yield "note", note


def _high_rows(report: DataReport) -> Iterator[str]:
    """The rows of a run whose loss was highest, a line each, and what is wrong with the file that has them."""
    from cockpit.data.row_losses import FAR

    found = report.row_losses
    if found is None:
        return
    yield ""
    yield f"{'loss':>9} {'median':>9} {'step':>7} {'tokens':>7} {'times':>5}   row"
    for row in found.highest[:SHOWN_HIGH]:
        sign = "!" if row.is_far else " "
        loss = numbers.metric(row.loss) if row.loss is not None else numbers.NOT_A_NUMBER
        figures = (
            f"{loss:>9} {numbers.metric(row.median):>9} {numbers.count(row.step):>7} {numbers.count(row.tokens):>7}"
        )
        yield f"{figures} {numbers.count(row.times):>5} {sign} {plain_line(row.where)}"
    if found.far:
        yield f"! far above the rest: more than {FAR:g} times the distance of the quartiles over the upper one"
    if found.damaged:
        lines = "line" if found.damaged == 1 else "lines"
        yield f"{numbers.count(found.damaged)} {lines} of row_losses.jsonl cannot be read."


def _histogram(report: DataReport) -> Iterator[str]:
    from cockpit.data.report import length_histogram

    bins = length_histogram(report.lengths, BINS)
    most = max((one.rows for one in bins), default=0)
    for one in bins:
        bar = "█" * max(round(one.rows / most * BAR_CELLS), bool(one.rows))
        span = (
            numbers.count(one.low) if one.low == one.high else f"{numbers.count(one.low)} to {numbers.count(one.high)}"
        )
        yield f"{span:>18} tokens  {bar} {numbers.count(one.rows)}"


def _head(sample: Sample) -> Text:
    from rich.text import Text

    from cockpit.data.report_text import facts_of

    return Text(f"{sample.where}: {', '.join(facts_of(sample))}")


def rendered(sample: Sample, marks: bool) -> Text:
    """The row's text; what is trained stands between marks where there are no looks to tell it by."""
    from itertools import groupby

    from rich.text import Text

    text = Text()
    for trained, run in groupby(sample.tokens[:SHOWN_TOKENS], key=lambda token: token.trained):
        words = "".join(token.text for token in run)
        if marks:
            text.append(f"«{words}»" if trained else words)
        else:
            text.append(words, "bold underline green" if trained else "dim")
    if len(sample.tokens) > SHOWN_TOKENS:
        text.append(" ...")
    return text
