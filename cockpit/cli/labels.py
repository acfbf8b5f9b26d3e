"""cockpit label and cockpit delete: a run's name, tags and note; removing runs that nobody needs any more"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end, refuse
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.runs.folder import RunDir
    from cockpit.runs.label import Label


def label(
    run: Annotated[str, typer.Argument(help="A run's id, a unique beginning of one, or last.")],
    name: Annotated[str | None, typer.Option(help="What it is called from now on; empty for nothing.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Give it a tag; repeatable.")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="Take a tag away; repeatable.")] = None,
    note: Annotated[str | None, typer.Option(help="A note on it; empty for none.")] = None,
) -> None:
    """Give a run a name, tags and a note, or say what it has; its id stays. 'cockpit runs' lists and finds by them."""
    from cockpit.runs.label import Label, changing

    found = _found(run)
    was = Label.of(found)
    if name is not None or tag or untag or note is not None:
        try:
            with changing(found) as before:
                was = _changed(found, before, name, tag or [], untag or [], note)
                was.write(found)
        except OSError as error:
            end(f"The label cannot be written: {error.strerror or error}.", 1)
    print(f"{plain_line(found.id)}: {was.name or 'no name'}; {', '.join(was.tags) or 'no tags'}")
    if was.note:
        print(was.note)


def _changed(run: RunDir, was: Label, name: str | None, tag: list[str], untag: list[str], note: str | None) -> Label:
    """The label with what was asked for; ends the command where a run cannot have it."""
    from cockpit.runs.label import Label

    if absent := [one for one in untag if one not in was.tags]:
        refuse([f"{plain_line(run.id)} has no tag {one!r} that could be taken away." for one in absent])
    changed = Label(
        name=plain_line(was.name if name is None else name),
        tags=tuple(one for one in dict.fromkeys([*was.tags, *tag]) if one not in untag),
        note=plain_line(was.note if note is None else note),
    )
    if why_not := changed.why_not():
        refuse([why_not])
    return changed


def delete(
    runs: Annotated[list[str], typer.Argument(help="Ids, unique beginnings of some, or last.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove runs for good: checkpoints, adapters, exports in their folders, logs. It asks, and says how much room it
    makes; a run that is still going is never removed. Exit status: 0 removed, 1 not, 2 there is no such run."""
    from cockpit.runs.removal import remove, size_of, what_is_kept, why_not_removable
    from cockpit.text.numbers import size

    found = list({one.path: one for one in map(_found, runs)}.values())
    if refused := [why for one in found if (why := why_not_removable(one))]:
        end("\n".join(refused), 1)
    sizes = [size_of(one) for one in found]
    for one, taken in zip(found, sizes, strict=True):
        kept = what_is_kept(one)
        print(f"{plain_line(one.id):<40} {size(taken):>9}{f'  with {kept}' if kept else ''}")
    what = "this run" if len(found) == 1 else f"these {len(found)} runs"
    if not yes:
        if not sys.stdin.isatty():
            end("Nothing was removed: there is no terminal to ask on; --yes removes without asking.", 1)
        if not typer.confirm(f"Remove {what} for good, {size(sum(sizes))}?"):
            end("Nothing was removed.", 1)
    for one in found:
        try:
            remove(one)
        except (OSError, ValueError) as error:
            end(f"{plain_line(one.id)} was not removed: {getattr(error, 'strerror', None) or error}", 1)
    print(f"Removed {what}: {size(sum(sizes))}.")


def _found(run: str) -> RunDir:
    from cockpit.runs.folder import find_run

    try:
        return find_run(run)
    except LookupError as error:
        end(str(error), 2)
