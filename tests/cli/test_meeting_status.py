"""What a machine that is not the first ends with: the status of the run that it has trained with the others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cockpit.cli.meeting import status_of
from cockpit.paths import runs_folder
from tests.recording import Ending, record

AT_MOST_S = 60.0


@pytest.mark.parametrize(("ending", "status"), [("completed", 0), ("stopped", 130), ("failed", 1), ("lost", 1)])
def test_it_is_that_of_the_run(ending: Ending, status: int) -> None:
    assert status_of(record(runs_folder(), ending=ending, until=20), 0.0) == status


def test_a_run_that_is_still_saved_is_waited_for() -> None:
    run = record(runs_folder(), run_id="one", ending="going", until=20)
    assert status_of(run, 0.0) == 1, "nobody knows how it ends"
    stopped = record(runs_folder(), run_id="other", ending="stopped", until=20)
    ends = [line for line in stopped.events.read_text().splitlines(keepends=True) if '"RunEnded"' in line]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(status_of, run, AT_MOST_S)
        with run.events.open("a") as log:
            log.writelines(ends)
        assert waiting.result() == 130
