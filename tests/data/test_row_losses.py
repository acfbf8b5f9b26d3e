"""Which rows of a run stand out by their loss, and what is left out of the file that tells"""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from cockpit.data.row_losses import RowLoss, StepRows, forget_after, forget_older_half, row_losses


def write(path: Path, steps: list[StepRows]) -> Path:
    path.write_bytes(b"".join(msgspec.json.encode(step) + b"\n" for step in steps))
    return path


def falling(steps: int, rows: int = 10) -> list[StepRows]:
    """A loss that falls from 5 to 1, with little noise; the same rows again every 20 steps."""
    return [
        StepRows(
            step,
            [
                RowLoss(f"a.jsonl:{step % 20 * rows + at}", 1 + 4 * 0.97**step + 0.01 * (at % 7), 9)
                for at in range(rows)
            ],
        )
        for step in range(1, steps + 1)
    ]


def test_a_row_is_compared_with_those_of_its_time(tmp_path: Path) -> None:
    """The losses of the first steps are higher than that of the odd row, which comes when all others are low."""
    steps = falling(100)
    steps[89].rows[3] = RowLoss("a.jsonl:odd", 3.0, 5)
    steps[95].rows[3] = RowLoss("a.jsonl:odd", 2.0, 5)
    found = row_losses(write(tmp_path / "losses", steps), most=3)
    assert found is not None
    assert (found.first_step, found.last_step, found.rows, len(found.highest)) == (1, 100, 201, 3)
    odd = found.highest[0]
    assert (odd.where, odd.loss, odd.step, odd.times, odd.last, odd.is_far) == ("a.jsonl:odd", 3.0, 90, 2, 2.0, True)
    assert odd.median == pytest.approx(1.3, abs=0.2)
    assert found.far == 1


def test_a_loss_that_is_no_number_comes_first(tmp_path: Path) -> None:
    steps = [StepRows(1, [RowLoss("a:1", 2.0, 3), RowLoss("a:2", None, 3), RowLoss("a:3", 2.1, 3)])]
    found = row_losses(write(tmp_path / "losses", steps), most=1)
    assert found is not None
    assert (found.highest[0].where, found.highest[0].excess, found.far) == ("a:2", math.inf, 1)


def test_few_rows_and_none_at_all_and_damaged_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "losses", [StepRows(4, [RowLoss("a:1", 2.0, 3)])])
    with path.open("ab") as stream:
        stream.write(b"rubbish\n\xff\n" + b'{"step": 5')
    found = row_losses(path, most=9)
    assert found is not None
    assert (found.rows, found.far, found.damaged, found.highest[0].median) == (1, 0, 2, 2.0)
    assert row_losses(write(path, []), most=9) is None


def test_what_comes_after_a_step_and_the_older_half_are_forgotten(tmp_path: Path) -> None:
    path = write(tmp_path / "losses", falling(40))
    forget_after(path, 30)
    found = row_losses(path, most=1)
    assert found is not None
    assert (found.first_step, found.last_step) == (1, 30)
    assert forget_older_half(path) == 17
    found = row_losses(path, most=1)
    assert found is not None
    assert (found.first_step, found.last_step, found.damaged) == (17, 30, 0)
