from pathlib import Path

import pytest

from cockpit.runs import engine_output
from cockpit.runs.engine_output import EngineOutput
from cockpit.runs.sentences import LogLine

WRITTEN = b"""Loading
UserWarning: it is old
  0%|  | 0/3\r100%|##| 3/3\r
Traceback (most recent call last):
  File "x.py", line 3, in f
ValueError: no answer
RuntimeError: CUDA out of memory. Tried to allocate 2 GiB
error_rate 0.1
\xff\xfe
"""


def test_every_line_has_a_level_by_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.write_bytes(WRITTEN + b"not whole y")
    output = EngineOutput(path)
    levels = [(line.level, line.text) for line in output.poll()]
    assert levels == [
        ("info", "Loading"),
        ("warning", "UserWarning: it is old"),
        ("info", "100%|##| 3/3"),
        ("error", "Traceback (most recent call last):"),
        ("error", '  File "x.py", line 3, in f'),
        ("error", "ValueError: no answer"),
        ("error", "RuntimeError: CUDA out of memory. Tried to allocate 2 GiB"),
        ("info", "error_rate 0.1"),
        ("info", "\ufffd\ufffd"),
    ]
    with path.open("ab") as log:
        log.write(b"et\n")
    assert output.poll() == [LogLine(0.0, "info", "not whole yet")]
    assert output.poll() == []


def test_of_a_long_log_the_end_is_read_and_one_that_begins_anew_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_output, "END_BYTES", 8)
    path = tmp_path / "engine.log"
    path.write_bytes(b"0123456789\nabc\n")
    output = EngineOutput(path)
    assert [line.text for line in output.poll()] == ["789", "abc"]
    assert output.skipped_bytes == 7
    path.write_bytes(b"anew\n")
    assert [line.text for line in output.poll()] == ["anew"]
    assert output.skipped_bytes == 0
