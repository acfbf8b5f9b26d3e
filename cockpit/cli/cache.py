"""cockpit cache: the tokenized rows that are kept for the next start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end, refuse
from cockpit.text import numbers

if TYPE_CHECKING:
    from cockpit.data.rows_cache import Entry, RowsCache


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove them; those that a run uses now stay.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
) -> None:
    """Show the tokenized rows that are kept, so that a second start with the same data takes no time.

    They are found again by the content of the data, the tokenizer, its template, the lengths and the versions: data
    that has changed is tokenized anew. Together they take at most 20 GB, or as many as COCKPIT_CACHE_GB says (0 keeps
    none), and at most half of the disk's free space; the least recently used go first.

    Exit status: 0 all is shown or removed, 1 some is in use and stays, 2 the folder cannot be read.
    """
    from cockpit.data.rows_cache import RowsCache, limit_bytes
    from cockpit.machine.compile_cache import rows_cache_folder

    try:
        kept = RowsCache(rows_cache_folder(), limit_bytes())
        removed, entries = kept.clear() if clear else ([], kept.entries())
    except ValueError as error:
        refuse([f"{error}."])
    except OSError as error:
        refuse([f"The cache cannot be read: {error.strerror or error}."])
    if as_json:
        import json

        print(json.dumps(_document(kept, entries, removed), indent=2))
    elif clear:
        _print_removed(removed, entries)
    else:
        _print_table(kept, entries)
    if clear and entries:
        rows = "1 entry is" if len(entries) == 1 else f"{len(entries)} entries are"
        end(f"{rows} in use by a run and not removed; try again when it has ended.", 1)


def _document(kept: RowsCache, entries: list[Entry], removed: list[Entry]) -> dict[str, object]:
    return {
        "folder": str(kept.folder),
        "limit_bytes": kept.limit,
        "entries": [_plain(entry) for entry in entries],
        "removed": [_plain(entry) for entry in removed],
    }


def _plain(entry: Entry) -> dict[str, object]:
    names = ("data", "model", "template", "length", "rows", "tokens", "made")
    about = {name: entry.about.get(name) for name in names}
    more = {"size_bytes": entry.size_bytes, "used_at": entry.used_at, "in_use": entry.in_use}
    return {"key": entry.folder.name, **about, **more}


def _print_removed(removed: list[Entry], entries: list[Entry]) -> None:
    size = numbers.size(sum(entry.size_bytes for entry in removed))
    what = "1 entry was" if len(removed) == 1 else f"{len(removed)} entries were"
    if removed:
        print(f"{what} removed, {size} in all.")
    elif not entries:
        print("Nothing is kept.")


def _print_table(kept: RowsCache, entries: list[Entry]) -> None:
    import time

    from rich.console import Console
    from rich.table import Table

    from cockpit.text.plain_text import plain_line

    place = plain_line(str(kept.folder))
    if not entries:
        print(f"No tokenized rows are kept in {place} yet; training keeps them.")
        return
    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in ("size", "rows", "tokens"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("last used", "data", "tokenizer", "template", "cut to"):
        table.add_column(name, no_wrap=True)
    for entry in entries:
        about = entry.about
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used_at))
        table.add_row(
            numbers.size(entry.size_bytes),
            _figure(about.get("rows")),
            _figure(about.get("tokens")),
            "now" if entry.in_use else used,
            plain_line(", ".join(map(str, about.get("data") or ["being made"]))),
            plain_line(str(about.get("model") or "")),
            plain_line(str(about.get("template") or "")),
            _figure(about.get("length")),
        )
    console = Console(markup=False, highlight=False)
    # A line too long for the terminal, or for whatever reads this, is left whole.
    console.width = max(console.width, console.measure(table, options=console.options.update(width=1000)).maximum)
    console.print(table)
    taken = numbers.size(sum(entry.size_bytes for entry in entries))
    print(f"{taken} of at most {numbers.size(kept.limit)} in {place}")


def _figure(value: object) -> str:
    return numbers.count(value) if isinstance(value, int | float) else numbers.UNKNOWN
