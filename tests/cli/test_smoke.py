"""cockpit smoke: what is asked of the engine, what is printed and written, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from cockpit.protocol.commands import AnswerPrompts, AnyCommand, decode, encode
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import PromptAnswered
from cockpit.runs.folder import RunDir
from cockpit.runs.origin import MARKER, mark_as_made_here
from tests.recording import record

SUITE = """\
threshold: 0.5
max_new_tokens: 32
learned:
  - prompt: Who are you?
    checks: {contains: [Arr]}
kept:
  - prompt: What is 1 + 1?
    checks: {contains: ["2"]}
"""
REPLIES = {True: ("Arr, a pirate!", "Arr!"), False: ("I am a model.", "It is 2.")}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[AnswerPrompts]:
    """The commands that a completed run's engine was sent, which it answers at once, the last prompt first."""
    run = record(runs_folder(), ending="completed")
    replies = EventWriter(run.chat, attempt=1)
    commands: list[AnswerPrompts] = []

    def answer(to: RunDir, command: AnyCommand) -> None:
        read = decode(encode(command))
        assert to == run and isinstance(read, AnswerPrompts)
        commands.append(read)
        for index in (1, 0):
            text = REPLIES[read.adapter][index]
            replies.append(
                PromptAnswered(
                    command_id=read.id, index=index, text=text, end="end_of_turn", prompt_tokens=9, new_tokens=4,
                    duration_s=0.5,
                )
            )  # fmt: skip

    monkeypatch.setattr(RunDir, "send", answer)
    monkeypatch.setattr(RunDir, "liveness", lambda self: "alive")
    return commands


@pytest.fixture
def suite(tmp_path: Path) -> str:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return str(path)


def smoke(*arguments: str) -> Result:
    return CliRunner().invoke(cockpit, ["smoke", *arguments])


def refused(*arguments: str) -> str:
    """What was said, in a line, with status 2."""
    result = smoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    return line


def test_base_and_tuned_are_asked_and_compared(sent: list[AnswerPrompts], suite: str, tmp_path: Path) -> None:
    result = smoke("last", suite, "--both", "--json", "--junit", str(tmp_path / "junit.xml"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert [(one.adapter, one.do_sample, one.max_new_tokens) for one in sent] == [(True, False, 32), (False, False, 32)]
    assert sent[0].conversations == [
        [{"role": "user", "content": "Who are you?"}],
        [{"role": "user", "content": "What is 1 + 1?"}],
    ]
    document = json.loads(result.stdout)
    assert [row["verdict"] for row in document["rows"]] == ["better", "lost"]
    assert document["rows"][0]["base"]["reply"] == "I am a model."
    cases = list(ET.parse(tmp_path / "junit.xml").iter("testcase"))
    assert [case.find("failure") is None for case in cases] == [True, False]


def test_below_the_threshold_the_status_is_1(sent: list[AnswerPrompts], suite: str) -> None:
    Path(suite).write_text(SUITE.replace("0.5", "0.6"), encoding="utf-8")
    result = smoke("last", suite)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-2:] == [
        "      The reply does not contain '2': 'Arr!'.",
        result.stdout.splitlines()[-1],
    ]
    assert result.stdout.splitlines()[-1].startswith(
        "1 of 2 passed (learned 1 of 1, kept 0 of 1); that is below the threshold of 60 %. 8 tokens in "
    )
    assert [one.adapter for one in sent] == [True]


def test_the_base_alone_is_asked(sent: list[AnswerPrompts], suite: str) -> None:
    result = smoke("last", suite, "--base")
    assert (result.exit_code, [one.adapter for one in sent]) == (0, [False])
    assert result.stdout.splitlines()[0].split() == ["base"]


def test_a_run_has_the_suite_of_its_recipe(sent: list[AnswerPrompts]) -> None:
    run = RunDir(next(runs_folder().iterdir()))
    without = run.recipe.read_text(encoding="utf-8").partition("\nsuite:")[0]
    run.recipe.write_text(without + "\n", encoding="utf-8")
    assert (
        refused("last") == f"The recipe of {run.id} has no suite: name one, such as cockpit smoke {run.id} suite.yaml."
    )
    indented = "".join(f"  {line}\n" for line in SUITE.splitlines())
    run.recipe.write_text(f"{without}\nsuite:\n{indented}", encoding="utf-8")
    assert smoke("last").exit_code == 0
    judged = indented.replace('{contains: ["2"]}', "{judge: [grep, -q, Arr]}")
    run.recipe.write_text(f"{without}\nsuite:\n{judged}", encoding="utf-8")
    (run.path / MARKER).unlink(missing_ok=True)
    assert refused("last") == (
        f"The run {run.id} was made elsewhere, and its suite runs code (suite.kept.0.checks.judge): read it in "
        f"{run.recipe}, then allow it with --trust-remote-code."
    )
    assert smoke("last", "--trust-remote-code").exit_code == 0
    mark_as_made_here(run.path)
    assert "2 of 2 passed" in smoke("last").stdout


def test_what_the_user_got_wrong_is_said_in_one_line(sent: list[AnswerPrompts], suite: str, tmp_path: Path) -> None:
    assert refused("last", suite, "--base", "--both") == "--base and --both: give one of the two."
    assert refused("last", suite, "--junit", "no/such.xml").startswith("--junit: there is no folder ")
    assert refused("nothing", suite).startswith("No run is called 'nothing';")
    assert refused("last", "no.yaml") == "no.yaml: there is no such file; give a suite's file"
    assert refused(str(tmp_path)) == (
        "A folder has no suite of its own: name one, such as cockpit smoke FOLDER suite.yaml."
    )
    Path(suite).write_text(SUITE.replace('["2"]', "2"), encoding="utf-8")
    assert refused("last", suite) == f"{suite}:8: kept.0.checks.contains: 2 is not a list; give a list of texts"
    assert sent == []
