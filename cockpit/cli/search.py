"""cockpit search: the best values of a recipe's fields, by runs of the queue; those that are behind are stopped."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cockpit.cli.ending import end, refuse
from cockpit.cli.recipe_args import asked_for
from cockpit.cli.recipe_options import RecipeName
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.cli.search_runner import SearchRunner
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.searches import Search
    from cockpit.tuning.search_space import Range


def search(
    recipe: RecipeName,
    over: Annotated[
        list[str], typer.Option(metavar="KEY=LOW..HIGH|KEY=A,B,C", help="A field and its values; repeatable.")
    ],
    trials: Annotated[
        int, typer.Option(min=1, max=1000, help="Runs in all; fewer where there are not as many values.")
    ] = 12,
    metric: Annotated[
        str | None, typer.Option(help="What is compared, by the name that evaluations give it; else the method's own.")
    ] = None,
    together: Annotated[int, typer.Option(min=1, help="Trials under way at once, where they fit.")] = 1,
    data: Annotated[Path | None, typer.Option(help="Train on this file of yours; its form is recognised.")] = None,
    model: Annotated[str | None, typer.Option(help="Train this model: a local folder or a Hub name.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a field, such as training.max_steps=200; repeatable."),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the winner's recipe here; it is named unless given.")
    ] = None,
) -> None:
    """Search for the best values of a recipe's fields. Each trial is a run in the queue, the recipe as it is the first;
    optuna chooses the values of the next, and one that is worse than the median of the others at the same step is
    stopped, and saves. In the app the queue has all of them in one table, and w on one edits the winner's recipe.

    Ctrl-C ends this alone; the same command goes on with the search that it has begun, also after a reboot. Where the
    app or 'cockpit queue run' works through the queue already, that trains the trials.

    Exit status: 0 there is a winner, 1 there is none, 2 the recipe, a setting or a range is wrong, or another process
    goes on with the same search, 130 ended.
    """
    from cockpit.paths import expanded
    from cockpit.runs.searches import Search
    from cockpit.tuning.search_metric import comparable
    from cockpit.tuning.search_space import space_of

    if importlib.util.find_spec("optuna") is None:
        end("A search needs optuna; install it with: pip install 'finetune-cockpit[search]'", 2)
    try:
        space = space_of(over)
    except ValueError as error:
        refuse([str(error)])
    document, resolved = asked_for(recipe, data, model, settings or [])
    _check(recipe, data, model, settings or [], space)
    if why := _why_unmeasured(resolved):
        refuse([why])
    measures, own = comparable(resolved), f"eval_{resolved.kind.main.name}"
    by = metric or own
    if by not in measures:
        refuse([f"--metric {plain_line(by)}: trials cannot be compared by it; give one of {', '.join(measures)}."])
    if write is not None and expanded(write).exists():
        refuse([f"{expanded(write)}: there is such a file already; give another name, or remove it."])
    wanted = Search(
        name=resolved.output.run_name or document.name,
        recipe=document.resolved_yaml(),
        over=tuple(over),
        metric=by,
        rises=measures[by],
    )
    try:
        lock = wanted.take_lock()
    except BlockingIOError:
        end(f"Another process goes on with this very search, {wanted.id}, already.", 2)
    except OSError as error:
        _end_unwritable(error)
    try:
        _go_through(wanted.begun(), space, trials, together, write)
    finally:
        os.close(lock)


def _go_through(found: Search, space: list[Range], trials: int, together: int, write: Path | None) -> None:
    from cockpit.cli.search_runner import SearchRunner
    from cockpit.runs.queue import Queue

    if found.trials:
        _say(f"Going on with the search {found.id}, which has {len(found.trials)} trials.")
    folder = os.getcwd()  # noqa: PTH109
    runner = SearchRunner(found, space, Queue(), _say, trials=trials, folder=folder, together=together)
    try:
        _work(runner, together)
    except KeyboardInterrupt:
        print("Ended; runs go on. The same command goes on with the search.")
        raise typer.Exit(130) from None
    except OSError as error:
        _end_unwritable(error)
    print("\n".join(runner.table()))
    _tell_winner(runner, write)


def _end_unwritable(error: OSError) -> NoReturn:
    end(f"The search cannot be written: {error.strerror or error}.", 1)


def _check(recipe: str, data: Path | None, model: str | None, settings: list[str], space: list[Range]) -> None:
    """Each choice, and both ends of each range, must be values of its field; status 2 where one is not."""
    from cockpit.tuning.search_space import setting_of

    for one in space:
        ends = (int(one.low), int(one.high)) if one.is_whole else (one.low, one.high)
        for value in one.choices or ends:
            asked_for(recipe, data, model, settings, grid=[setting_of(one.field, value)])


def _why_unmeasured(recipe: Recipe) -> str:
    if recipe.data.holds_out and recipe.training.eval_steps:
        return ""
    return (
        "Nothing is measured on the way that trials could be compared by: "
        "give --set data.eval_rows=64 --set training.eval_steps=20, or what fits your rows."
    )


def _work(runner: SearchRunner, together: int) -> None:
    """Until all trials are over; the queue is worked through here where nobody else does."""
    from cockpit.cli.queue_runner import LOOK_EVERY_S, QueueRunner
    from cockpit.runs.queue import Queue

    queue, lock = Queue(), None
    queue_runner = QueueRunner(queue, _say, together=together, tells_ends=False)
    try:
        while runner.step():
            if lock is None:
                try:
                    lock = queue.take_lock()
                except BlockingIOError:
                    lock = None
            if lock is not None:
                queue_runner.step()
            time.sleep(LOOK_EVERY_S)
        if lock is not None:
            queue_runner.look_after()
    finally:
        if lock is not None:
            os.close(lock)


def _tell_winner(runner: SearchRunner, write: Path | None) -> None:
    from cockpit.disk import write_atomically
    from cockpit.paths import expanded
    from cockpit.recipe.document import RecipeDocument
    from cockpit.runs.searches import run_of

    found = runner.winner()
    if found is None:
        end("No trial was trained to its end and measured, so that none has won.", 1)
    trial, _ = found
    run = run_of(trial)
    assert run is not None
    source = run.written_recipe if run.written_recipe.exists() else run.recipe
    print(f"winner: {plain_line(run.id)}; its recipe: {plain_line(str(source))}")
    if write is not None:
        target = expanded(write)
        try:
            write_atomically(target, RecipeDocument.load(source).to_yaml())
        except OSError as error:
            end(f"{target}: it cannot be written ({error.strerror or error}).", 1)
        print(f"Written to {target}.")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)
