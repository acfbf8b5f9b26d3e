"""cockpit queue: recipes that wait for their turn, grids among them, and working through them"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cockpit.cli.ending import end, refuse
from cockpit.cli.recipe_args import asked_for
from cockpit.cli.recipe_options import Settings
from cockpit.remote.asked import queued_there
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.cli.queue_runner import QueueRunner
    from cockpit.runs.queue import Queue, Waiting

queue_app = typer.Typer(
    help="Recipes that wait for their turn: add, list, move, remove, and run.", no_args_is_help=True,
    rich_markup_mode=None,
)  # fmt: skip
EMPTY = "The queue is empty. Put a recipe into it with: cockpit queue add RECIPE"
Entry = Annotated[str, typer.Argument(help="Its number in 'cockpit queue list', or its id.")]


@queue_app.command()
def add(
    recipes: Annotated[list[str], typer.Argument(help="Names of recipes ('cockpit recipes' lists them), or files.")],
    data: Annotated[Path | None, typer.Option(help="Train on this file of yours; its form is recognised.")] = None,
    model: Annotated[str | None, typer.Option(help="Train this model: a local folder or a Hub name.")] = None,
    settings: Settings = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=A,B,C", help="One run for each value, of each combination if repeated."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="HOST", help="Into the queue of this host of your ssh config.")
    ] = None,
    start: Annotated[
        bool, typer.Option("--start", help="Have a process of its own work through the queue, once no other does.")
    ] = False,
    group: Annotated[str, typer.Option(hidden=True, help="The grid or search that they are of.")] = "",
) -> None:
    """Put recipes at the end of the queue; with --grid one run for each combination of values.

    With --host they go into the queue of another machine, over your own ssh, and are worked through there; the paths in
    them are that machine's. A recipe called - is read from stdin.
    """
    from cockpit.runs.queue import Queue, grid_of, new_group

    try:
        combinations = grid_of(grid or [])
    except ValueError as error:
        refuse([str(error)])
    wanted = []
    for recipe in recipes:
        for values in combinations:
            of_grid = [f"{key}={value}" for key, value in values]
            document, resolved = asked_for(recipe, data, model, settings or [], grid=of_grid, piped=True)
            name = resolved.output.run_name or document.name
            suffix = "".join(f"-{key.rpartition('.')[2]}-{value}" for key, value in values)
            wanted.append((f"{name}{suffix}", document.resolved_yaml()))
    group = group or (new_group() if len(combinations) > 1 else "")
    if host is not None:
        _add_there(host, wanted, group)
        return
    queue = Queue()
    try:
        for name, text in wanted:  # all or none: the first that is wrong has ended the command
            entry = queue.add(name, text, os.getcwd(), group)  # noqa: PTH109
            print(f"{entry.id}  {plain_line(name)}")
        if start:
            from cockpit.launch.queue_process import start_queue_runner

            start_queue_runner(queue, outlives=True)
    except OSError as error:
        _end_unwritable(queue, error)


def _add_there(address: str, wanted: list[tuple[str, str]], group: str) -> None:
    """Into a host's own queue, one call of cockpit there for each; status 1 where one is refused."""
    import subprocess

    from cockpit.remote.host import Host, why_failed

    try:
        host = Host.parse(address)
    except ValueError as error:
        refuse([str(error)])
    for name, text in wanted:
        command = host.ssh(queued_there(name, group), asks=True)
        try:
            done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            end("There is no ssh here; install OpenSSH's client.", 2)
        if done.returncode:
            end(why_failed(host.name, done.returncode, done.stderr), 1)
        print(f"{plain_line(host.name)}: {plain_line(done.stdout)}")


@queue_app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False) -> None:
    """Show what waits, what runs, and what has become of the others."""
    from cockpit.runs.queue import Queue

    rows = _rows(Queue().entries())
    if as_json:
        import json

        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        number = str(row["number"] or "")
        print(f"{number:>3}  {row['id']}  {row['state']:<13}  {row['name']}  {row['run'] or row['why']}".rstrip())
    if not rows:
        print(EMPTY)


def _rows(entries: list[Waiting]) -> list[dict[str, object]]:
    from cockpit.runs.labels import STATES
    from cockpit.runs.summary import RunSummary

    rows: list[dict[str, object]] = []
    number = 0
    for entry in entries:
        number += entry.is_waiting
        summary = RunSummary.of(entry.run_dir) if entry.run else None
        state = "waiting" if entry.is_waiting else "not started" if summary is None else STATES[summary.state]
        rows.append(
            {
                "number": number if entry.is_waiting else None,
                "id": entry.id,
                "name": plain_line(entry.name),
                "state": state,
                "run": plain_line(entry.run),
                "loss": summary.loss if summary else None,
                "eval_loss": summary.eval_loss if summary else None,
                "figure": summary.main.label if summary else None,
                "value": summary.value if summary else None,
                "held_out": summary.held_out if summary else None,
                "why": plain_line(entry.why),
                "added_at": entry.added_at,
            }
        )
    return rows


@queue_app.command()
def move(entry: Entry, to: Annotated[int, typer.Argument(min=1, help="Its new number; 1 is next.")]) -> None:
    """Give a waiting recipe another turn."""
    from cockpit.runs.queue import Queue

    queue = Queue()
    found = _found(entry)
    if not found.is_waiting:
        end(f"{plain_line(found.name)} does not wait any more.", 1)
    try:
        queue.move(found, to)
    except OSError as error:
        _end_unwritable(queue, error)
    list_()


@queue_app.command()
def remove(entry: Entry) -> None:
    """Take a recipe out of the queue; a run that it became goes on, and stays."""
    from cockpit.runs.queue import Queue

    queue = Queue()
    found = _found(entry)
    try:
        queue.remove(found)
    except OSError as error:
        _end_unwritable(queue, error)
    print(f"{plain_line(found.name)} is out of the queue.")


@queue_app.command()
def run(
    together: Annotated[int | None, typer.Option(min=1, help="Runs at once at most; else as many as fit.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Wait for more once the queue is empty.")] = False,
    with_: Annotated[int | None, typer.Option("--with", hidden=True, help="End once this process has.")] = None,
    next_: Annotated[
        bool, typer.Option("--next", hidden=True, help="Wait for the process that works through it to leave off.")
    ] = False,
) -> None:
    """Work through the queue, for tmux, nohup or a systemd user unit. A recipe begins once its GPU has had the
    forecast's memory free for a minute; several share a card where they fit; what fails holds nobody up. Ctrl-C ends
    this alone: runs go on, and what waits still waits.

    Exit status: 0 all have completed, 1 one has not, 2 another process works through the queue already.
    """
    from cockpit.cli.queue_runner import QueueRunner
    from cockpit.runs.queue import Queue

    queue = Queue()
    if not keep and not queue.entries():
        print(EMPTY)
    runner = QueueRunner(queue, _say, together=together)
    is_first = True
    # What was added while the lock was let go of has seen it held, and has started nobody.
    while is_first or any(entry.is_waiting for entry in queue.entries()):
        try:
            lock = queue.take_turn() if next_ and is_first else queue.take_lock()
        except BlockingIOError:
            if not is_first:
                break
            end("Another process works through the queue already.", 2)
        except OSError as error:
            _end_unwritable(queue, error)
        if lock is None or (next_ and not any(entry.is_waiting for entry in queue.entries())):
            break  # another one waits for its turn, or nothing is left
        is_first = False
        try:
            _work(runner, keep=keep, beside=with_)
        finally:
            os.close(lock)
        if with_ is not None and os.getppid() != with_:
            break
    raise typer.Exit(1 if runner.failed() else 0)


def _work(runner: QueueRunner, *, keep: bool, beside: int | None) -> None:
    """Until nothing is left, or the process `beside` this one has ended; status 130 where it is interrupted."""
    from cockpit.cli import queue_runner

    try:
        while (runner.step() or keep) and (beside is None or os.getppid() == beside):
            time.sleep(queue_runner.LOOK_EVERY_S)
    except KeyboardInterrupt:
        going = len(runner.going())
        print(f"Ended; {going} run{'s' * (going != 1)} go on. 'cockpit queue run' takes up what waits.")
        raise typer.Exit(130) from None


def _end_unwritable(queue: Queue, error: OSError) -> NoReturn:
    end(f"The queue cannot be written: {error.strerror or error} ({plain_line(str(queue.folder))}).", 1)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def _found(name: str) -> Waiting:
    from cockpit.runs.queue import Queue

    try:
        return Queue().find(name)
    except LookupError as error:
        end(str(error), 2)
