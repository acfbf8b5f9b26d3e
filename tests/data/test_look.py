"""The look at the data: a child that answers, refuses, or is ended."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cockpit.data.look import DataLook
from tests.data.reports import data_report

ANSWER = msgspec.json.encode(data_report())


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def wait(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_report_comes_whole_however_long_it_is() -> None:
    answers = f"sys.stdout.buffer.write({ANSWER!r} + b' ' * 300000)"
    code = f"import sys; text = sys.stdin.read(); assert text == 'ünï: 1'; {answers}"
    look = DataLook("ünï: 1", python(code))
    wait(look.poll)
    assert (look.report, look.problem) == (data_report(), "")
    look.end()


def test_what_is_wrong_comes_in_plain_sentences() -> None:
    code = "import sys; print('stdin:12: data.sources.0: \\x1b[31mno such file', file=sys.stderr); sys.exit(2)"
    look = DataLook("", python(code))
    wait(look.poll)
    assert (look.report, look.problem) == (None, "data.sources.0: no such file")
    look.end()


def test_a_child_that_dies_without_a_word_is_told() -> None:
    look = DataLook("", python("import os; os._exit(9)"))
    wait(look.poll)
    assert look.problem == "Looking at the data ended with status 9."


def test_it_never_waits_and_ends_when_it_is_told_to() -> None:
    look = DataLook("", python("import time; print('here', flush=True); time.sleep(600)"))
    assert not look.poll()
    assert look.seconds > 0 and look.is_running
    look.end()
    assert not look.is_running


def test_files_beside_the_data_take_no_modules_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pydantic", "datasets", "jinja2"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('mine')")
    monkeypatch.chdir(tmp_path)
    look = DataLook("schema: 2")
    wait(look.poll)
    assert look.problem.startswith("schema: ")
    look.end()


def test_the_command_refuses_a_recipe_that_is_none() -> None:
    look = DataLook("a: [")
    wait(look.poll)
    assert look.report is None
    assert look.problem
    assert "stdin" not in look.problem
    look.end()
