"""Microseconds of CPU that a row costs before it is rendered: read from its file, and turned into turns. A report.

usage: python -m tests.bench.rows [--rows N]
Made-up rows of each form, N of them (20,000), of about the length that demo datasets have. A line of JSON each on
stdout; the best of five rounds, in CPU time, as other processes may be at work.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cockpit.data.files import recognise, rows_of
from cockpit.engine.data.conversation import Conversations
from cockpit.recipe.data import Columns

ROUNDS = 5
WORDS = ("the", "a", "red", "cat", "tree", "how", "what", "is", "weather", "model", "answer", "question")


def main() -> None:
    """Each form, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    count = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="cockpit-bench-") as folder:
        for path in _files(Path(folder), count):
            form = recognise(path, Columns(), "auto")
            reading, turning = min(_round(path, form.form, form.columns) for _ in range(ROUNDS))
            figures = {"file": path.name, "form": form.form, "read_us": reading, "turned_us": turning}
            figures = {
                name: round(one / count * 1e6, 1) if isinstance(one, float) else one for name, one in figures.items()
            }
            print(json.dumps(figures | {"rows_per_cpu_s": round(count / (reading + turning))}), flush=True)


def _round(path: Path, form: str, columns: dict[str, str]) -> tuple[float, float]:
    """CPU seconds of reading all rows, and of turning them into conversations."""
    begun = time.process_time()
    rows = [row for _, row in rows_of(path)]
    read = time.process_time()
    made = Conversations(form, columns)
    for row in rows:
        made.of(row)
    return read - begun, time.process_time() - read


def _files(folder: Path, count: int) -> Iterator[Path]:
    draw = random.Random(7)

    def words(number: int) -> str:
        return " ".join(draw.choices(WORDS, k=number))

    def turns(role: str, content: str, asked: str, answered: str) -> list[dict[str, str]]:
        return [{role: who, content: words(length)} for who, length in ((asked, 20), (answered, 60)) * 2]

    made: dict[str, list[Any]] = {
        "alpaca.jsonl": [
            {"instruction": words(12), "input": words(8 * (at % 3 == 0)), "output": words(60)} for at in range(count)
        ],
        "messages.jsonl": [
            {"id": at, "messages": turns("role", "content", "user", "assistant")} for at in range(count)
        ],
        "sharegpt.json": [{"conversations": turns("from", "value", "human", "gpt")} for _ in range(count)],
    }
    for name, rows in made.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / name).write_text(json.dumps(rows) if name.endswith(".json") else lines)
        yield folder / name
    pq.write_table(pa.Table.from_pylist(made["messages.jsonl"]), folder / "messages.parquet")
    yield folder / "messages.parquet"


if __name__ == "__main__":
    main()
