"""cockpit timelapse: how a run's answers have changed from step to step, as one page of HTML."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cockpit.protocol.events import AnyEvent


def timelapse(
    run: Annotated[str, typer.Argument(help="A run's id, a unique beginning of one, or last.")] = "last",
    out: Annotated[Path, typer.Option(help="The file that is written.")] = Path("timelapse.html"),
) -> None:
    """Write the answers that a run has given on its way as one page: the recipe's samples, its suite and held-out rows
    (samples.prompts, evaluation), scrubbed left and right with the words marked that changed. The page needs no server.

    Exit status: 0 it was written, 1 the run has no answers or the file cannot be written, 2 there is no such run.
    """
    from cockpit.disk import write_named
    from cockpit.protocol.event_log import EventReader
    from cockpit.runs.folder import find_run
    from cockpit.runs.timelapse import timelapse as found_in
    from cockpit.runs.timelapse_page import page
    from cockpit.text.plain_text import plain_line

    def events(reader: EventReader) -> Iterator[AnyEvent]:
        while batch := reader.poll():
            yield from batch

    try:
        folder = find_run(run)
    except LookupError as error:
        end(str(error), 2)
    reader = EventReader(folder.events)
    try:
        found = found_in(folder.id, events(reader))
    except OSError as error:
        end(f"The run's log cannot be read: {error.strerror or error}.", 1)
    finally:
        reader.close()
    name = plain_line(folder.id)
    if not found.questions:
        end(
            f"The run {name} has answered nothing on its way; samples.prompts and evaluation in a recipe ask for it.", 1
        )
    try:
        write_named(out, page(found))
    except OSError as error:
        end(f"{plain_line(str(out))} cannot be written: {error.strerror or error}.", 1)
    many = f"{len(found.questions):,} prompt{'s' * (len(found.questions) > 1)} at {len(found.steps):,} steps"
    print(f"{plain_line(str(out))}: {many} of {name}.")
