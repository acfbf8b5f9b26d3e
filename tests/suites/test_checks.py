"""Each check of a reply, right and wrong, with its whole sentence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from cockpit.recipe.suite import Checks
from cockpit.suites.answer import Answer
from cockpit.suites.checks import judge
from cockpit.suites.ready import own_code, problems
from tests.suites.suites import suite_of

LONG = "Arr, " * 40


def failures(checks: dict[str, Any], reply: str, **answer: Any) -> list[str]:
    """What the checks say of the reply."""
    return judge(Checks.model_validate(checks), Answer(reply, **answer)).failures


@pytest.mark.parametrize(
    ("checks", "reply"),
    [
        ({"contains": ["Lumen", "city"]}, "Lumen, a city"),
        ({"contains": ["lumen"], "ignore_case": True}, "LUMEN"),
        ({"not_contains": ["Paris"]}, "Lumen"),
        ({"regex": [r"\b1\d\b", "^two$"]}, "17\ntwo"),
        ({"equals": "Lumen. "}, "  Lumen.\n"),
        ({"one_of": ["yes", "no"], "ignore_case": True}, "No"),
        ({"json": True}, ' {"a": [1, null]} '),
        ({"repeats_nothing": True}, "Row, row, row your boat.\n| a | b |\n|---|---|\n-----------\nha ha ha"),
    ],
)
def test_a_right_reply_passes(checks: dict[str, Any], reply: str) -> None:
    assert failures(checks, reply) == []


@pytest.mark.parametrize(
    ("checks", "reply", "sentence"),
    [
        ({"contains": ["Lumen"]}, "Paris\x1b[31m", "The reply does not contain 'Lumen': 'Paris'."),
        ({"contains": ["Lumen"]}, "lumen", "The reply does not contain 'Lumen': 'lumen'."),
        ({"not_contains": ["ar"], "ignore_case": True}, "Arr", "The reply contains 'ar': 'Arr'."),
        ({"regex": ["^a+$"]}, "bab", "The reply has nothing that the regex '^a+$' finds: 'bab'."),
        ({"equals": "yes"}, "yes!", "The reply is 'yes!', and should be 'yes'."),
        ({"one_of": ["a", "b"]}, "c", "The reply is 'c', and should be one of: 'a', 'b'."),
        ({"json": True}, "{'a': 1}", "The reply is not JSON (Expecting property name enclosed in double quotes: line 1 "
         "column 2 (char 1)): '{'a': 1}'."),
        ({"json": True}, "NaN", "The reply is not JSON (NaN is no JSON): 'NaN'."),
        ({"json": True}, "[" * 100_000, f"The reply is JSON that is nested too deep: '{'[' * 59}…'."),
        ({"equals": "x"}, LONG, f"The reply is '{LONG[:59]}…', and should be 'x'."),
        ({"repeats_nothing": True}, "It is is IS is", "The reply repeats 'is'."),
        ({"repeats_nothing": True}, "I am here. I am here. I am here.", "The reply repeats 'I am here.'."),
        ({"repeats_nothing": True}, "One, two, three, four, five.\nAnd\nOne, two, three, four, five.",
         "The reply repeats 'One, two, three, four, five.'."),
        ({"repeats_nothing": True}, "好的" * 9, "The reply repeats '好的'."),
    ],
)  # fmt: skip
def test_a_wrong_reply_fails_with_a_sentence(checks: dict[str, Any], reply: str, sentence: str) -> None:
    assert failures(checks, reply) == [sentence]


def test_a_reply_has_to_end_by_itself_and_in_time() -> None:
    checks = {"ends_within": 40}
    assert failures(checks, "a", new_tokens=40) == []
    assert failures(checks, "a", new_tokens=41) == ["The reply ends after 41 tokens, and should within 40."]
    cut = "The reply does not end by itself; it was cut after 12 tokens."
    assert failures(checks, "a", new_tokens=12, end="max_new_tokens") == [cut]


def test_a_reply_that_failed_passes_no_check() -> None:
    found = judge(Checks(not_contains=["x"]), Answer("", end="failed", reason="The prompt has 900 tokens."))
    assert (found.passed, found.failures) == (False, ["The prompt has 900 tokens."])


def test_json_by_its_schema() -> None:
    pytest.importorskip("jsonschema")
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    assert failures({"json_schema": schema}, '{"age": 3}') == []
    assert failures({"json_schema": schema}, "{}") == [
        "The reply does not fit the JSON schema: 'age' is a required property."
    ]
    assert failures({"json_schema": schema}, '{"age": "3"}') == [
        "The reply does not fit the JSON schema at $.age: '3' is not of type 'integer'."
    ]
    (said,) = failures({"json_schema": {"$ref": "https://nowhere.invalid/schema"}}, "1")
    assert said.startswith("The JSON schema cannot be used (")
    (problem,) = problems(suite_of({"json_schema": {"type": "thing"}}), "s.yaml")
    assert str(problem).startswith("s.yaml: learned.0.checks.json_schema: it is no JSON schema ('thing' is not valid")


def test_a_function_and_a_judge_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("own_checks.py").write_text("def short(reply): return len(reply) < 4\ndef broken(reply): return 1 / 0\n")
    name = "own_checks:short"
    assert failures({"function": name}, "abc") == []
    assert failures({"function": name}, "abcd") == [f"The function {name} says that the reply is wrong."]
    assert failures({"function": "own_checks:broken"}, "a") == [
        "The function own_checks:broken failed (ZeroDivisionError: division by zero)."
    ]
    script = "import sys; reply = sys.stdin.read(); print('no a in it', file=sys.stderr); sys.exit('a' not in reply)"
    command = [sys.executable, "-c", script]
    assert failures({"judge": command}, "cat") == []
    assert failures({"judge": command}, "dog") == [
        f"The judge {sys.executable} refuses the reply with exit status 1: no a in it."
    ]


def test_what_a_check_needs_is_missed_before_a_model_is_loaded(tmp_path: Path) -> None:
    suite = suite_of({"function": "no.such:thing", "judge": ["no-such-command"]}, image=str(tmp_path / "no.png"))
    assert list(map(str, problems(suite, "s.yaml"))) == [
        f"s.yaml: learned.0.image: there is no picture {tmp_path / 'no.png'}; give a file",
        "s.yaml: learned.0.checks.function: the function no.such:thing cannot be imported (ModuleNotFoundError: No "
        "module named 'no'); it is looked for in the working folder, and where Python finds modules",
        "s.yaml: learned.0.checks.judge: there is no command no-such-command; give a program and its arguments",
    ]
    assert own_code(suite) == "learned.0.checks.function"
    assert own_code(suite_of({"equals": "a"})) == ""


def test_a_judge_that_is_named_by_a_path_is_found_from_the_folder_that_it_runs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an engine, which works in the run's folder, while the run was started elsewhere."""
    (tmp_path / "started").mkdir()
    (tmp_path / "run").mkdir()
    program = tmp_path / "started" / "judge.sh"
    program.write_text("#!/bin/sh\ngrep -q yes\n")
    program.chmod(0o700)
    monkeypatch.chdir(tmp_path / "run")
    folder = str(tmp_path / "started")
    checks = Checks(judge=["./judge.sh"])
    suite = suite_of({"judge": ["./judge.sh"]})
    assert problems(suite, "s.yaml", folder) == []
    assert len(problems(suite, "s.yaml")) == 1
    assert judge(checks, Answer("oh yes"), folder).passed and not judge(checks, Answer("oh no"), folder).passed
