"""Smoke suites, in a recipe and in files of their own: what is wrong is told with file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.problem import RecipeError
from cockpit.recipe.resume_policy import refused_changes
from cockpit.recipe.suite import Checks, Prompt
from cockpit.recipe.suite_file import find_suite
from tests.recipe.sample import SAMPLE

SUITE = """\
threshold: 0.5
learned:
  - prompt: Who are you?
    checks: {contains: [Ada], not_contains: [model], ends_within: 40}
  - name: two turns
    messages:
      - {role: user, content: Hi}
      - {role: assistant, content: Hello}
      - {role: user, content: What is on it?, image: a.png}
    checks:
      json_schema: {type: object, properties: {a: {enum: [1, null, "x: y"]}}}
kept:
  - prompt: What is 1 + 1?
    system_prompt: Be brief.
    checks: {one_of: ["2", two], json: true, regex: ["^2$"], repeats_nothing: true, judge: [grep, -q, "2"]}
"""


def refused(folder: Path, text: str) -> list[str]:
    """What is said of a suite's file, a line each, without the file's name."""
    path = folder / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as error:
        find_suite(str(path))
    assert all(str(problem).startswith(str(path)) for problem in error.value.problems)
    return [str(problem).removeprefix(f"{path}:").strip() for problem in error.value.problems]


def test_a_suite_is_the_same_in_a_file_and_in_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("suite.yaml").write_text(SUITE, encoding="utf-8")
    suite = find_suite("suite.yaml")
    assert [(half, prompt.title) for half, _, prompt in suite.prompts()] == [
        ("learned", "Who are you?"),
        ("learned", "two turns"),
        ("kept", "What is 1 + 1?"),
    ]
    indented = "".join(f"  {line}\n" for line in SUITE.splitlines())
    Path("recipe.yaml").write_text(f"{SAMPLE}\nsuite:\n{indented}", encoding="utf-8")
    assert find_suite("recipe.yaml") == suite
    kept = RecipeDocument.parse(RecipeDocument.load(Path("recipe.yaml")).resolved_yaml(), "run").recipe().suite
    assert kept.learned[1].messages[2].image == str(tmp_path / "a.png"), "the run's recipe is read from elsewhere"
    assert (kept.learned[0], kept.learned[1].checks, kept.kept) == (
        suite.learned[0],
        suite.learned[1].checks,
        suite.kept,
    )


def test_all_that_is_wrong_is_told_with_its_line_and_field(tmp_path: Path) -> None:
    assert refused(
        tmp_path,
        """\
threshold: 2
learned:
  - prompt: Hi
    checks: {contains: Ada, regex: ["("], ends_within: 500}
  - prompt: x
    messages: [{role: assistant, content: a}]
    checks: {ignore_case: true}
  - promt: x
    checks: {function: foo}
  - image: a.png
    messages: [{role: user, content: a}, {role: system, content: b}, {role: user, content: c}]
    checks: {judge: [test, 1]}
kept: {}
method2: 3
""",
    ) == [
        "1: threshold: 2 is above the largest value; give a number from 0 to 1",
        "4: learned.0.checks.contains: 'Ada' is not a list; give a list of texts",
        "4: learned.0.checks.regex.0: it is no regular expression (missing ), unterminated subpattern at position 0); "
        "mend it",
        "7: learned.1.checks.contains: nothing is checked; give a check, such as contains: [Paris]",
        "8: learned.2.promt: learned.2 has no such field; did you mean prompt?",
        "9: learned.2.checks.function: 'foo' names no function; write it as my.module:function",
        "10: learned.3.image: it belongs to one of the messages; give it there",
        "11: learned.3.messages.1.role: the system speaks first; give user or assistant",
        '12: learned.3.checks.judge.1: 1 is not text; put it in quotes: "1"',
        "13: kept: a section is not a list; give a list of sections",
        "14: method2: a suite has no such field; it has learned, kept, threshold, max_new_tokens, do_sample, "
        "temperature, enable_thinking, system_prompt",
    ]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("- a\n", ["1: it holds a list; a suite is made of learned: and kept:, each a list of prompts with checks"]),
        (
            "threshold: 1\n",
            ["it has no prompts to ask; a suite is made of learned: and kept:, each a list of prompts with checks"],
        ),
        (
            "learned: [{prompt: a, checks: {ends_within: 500}}]\n",
            [
                "1: learned.0.checks.ends_within: a reply is ended after max_new_tokens (128); give at most 128, or "
                "raise max_new_tokens"
            ],
        ),
        (
            "kept: [{checks: {json: true}}, {prompt: a}]\n",
            [
                "1: kept.1.checks: is missing; give a section with fields of its own: What its reply must fulfil",
                "1: kept.0.prompt: there is nothing to ask; give one of the two: prompt or messages",
            ],
        ),
        (
            "kept: [{messages: [{role: user, content: a}, {role: assistant, content: b}], checks: {equals: a}}]\n",
            ["1: kept.0.messages.1.role: the last turn is to be answered; give user"],
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(tmp_path: Path, text: str, sentences: list[str]) -> None:
    assert sorted(refused(tmp_path, text)) == sorted(sentences)


def test_a_suite_that_is_nowhere_is_named() -> None:
    for name, sentence in (
        ("no/such.yaml", "no/such.yaml: there is no such file; give a suite's file"),
        ("nowhere", "nowhere: there is no recipe of this name; 'cockpit recipes' lists all recipes"),
    ):
        with pytest.raises(RecipeError) as error:
            find_suite(name)
        assert str(error.value) == sentence


def test_a_resume_may_change_the_suite() -> None:
    before = RecipeDocument.parse(SAMPLE, "sample").recipe()
    suite = before.suite.model_copy(update={"kept": [Prompt(prompt="a", checks=Checks(equals="b"))]})
    assert refused_changes(before, before.model_copy(update={"suite": suite}), "sample") == []
