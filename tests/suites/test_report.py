"""What a suite found: its verdicts, its threshold, as lines, as JSON and as JUnit XML."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

from cockpit.suites.conversations import conversations
from cockpit.suites.junit import junit
from cockpit.suites.report import passed
from tests.suites.suites import report, suite_of


def test_each_prompt_has_one_verdict() -> None:
    assert [row.verdict for row in report().rows] == ["better", "better", "same", "kept", "lost", "worse", "lost"]
    alone = replace(report(), rows=[replace(row, base=None) for row in report().rows])
    assert [row.verdict for row in alone.rows] == [None] * 7
    assert "base" not in alone.summary() and passed(alone.rows) == 2


def test_the_threshold_is_a_share_of_the_prompts() -> None:
    assert (report(2 / 7).is_enough, report(0.29).is_enough, report(0).is_enough) == (True, False, True)


def test_lines_say_it_all() -> None:
    lines = list(report().lines())
    assert lines[0].split() == ["base", "tuned"] and [line for line in lines if line[0] != " "] == ["learned", "kept"]
    assert lines[2].split() == ["Who", "<are>", "you?", "✗", "✓", "better"]
    assert '      It says "5" & <no more>.' in lines
    assert not any(re.search(r"[\x00-\x1f]", line) for line in lines)
    assert max(len(line) for line in lines) <= 72
    assert report(0.5).summary() == (
        "2 of 7 passed (learned 1 of 3, kept 1 of 4); against the base, which passes 3: 2 better, 1 worse, 1 kept, "
        "2 lost, 1 same; that is below the threshold of 50 %. 39 tokens in 1.2 s."
    )


def test_the_document_is_json() -> None:
    document = json.loads(json.dumps(report().document()))
    assert document["verdicts"] == {"better": 2, "worse": 1, "kept": 1, "lost": 2, "same": 1}
    assert document["by_half"] == {"learned": {"prompts": 3, "passed": 1}, "kept": {"prompts": 4, "passed": 1}}
    assert (document["is_enough"], document["passed"], document["prompts"]) == (False, 2, 7)
    lost = document["rows"][4]
    assert (lost["half"], lost["verdict"], lost["passed"], lost["base"]["passed"]) == ("kept", "lost", False, True)
    assert lost["tuned"]["checks"][1]["failure"] == 'It says "5" & <no more>.'


def test_junit_is_read_by_a_parser_and_holds_no_control_characters() -> None:
    content = junit(report())
    root = ET.fromstring(content)
    assert not re.search(r"[^\n\x20-\uffff]", content.decode())
    learned, kept = root.findall("testsuite")
    assert (learned.attrib["tests"], learned.attrib["failures"], learned.attrib["errors"]) == ("3", "2", "0")
    assert (kept.attrib["tests"], kept.attrib["failures"], kept.attrib["errors"]) == ("4", "2", "1")
    names = [case.attrib["name"] for case in root.iter("testcase")]
    assert names[0] == "Who <are> you?" and names[4] == "2 + 2 " + "?" * 60
    output = root.findtext("testsuite/testcase/system-out")
    assert output is not None and output.splitlines() == ["verdict: better", "base: Arr", "tuned: <b>& \ud7ff]]>"]
    failures = [one.attrib["message"] for one in root.iter("failure")]
    assert failures == ["No x.", "No x.", 'It says "5" & <no more>.', "No x."]
    (error,) = root.iter("error")
    assert error.attrib["message"] == error.text == "The prompt has 900 tokens."


def test_a_prompt_is_asked_with_its_systems_words_and_its_picture() -> None:
    checks = {"equals": "a"}
    suite = suite_of(checks, image="/a.png").model_copy(update={"system_prompt": "Be brief."})
    assert conversations(suite) == [
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Who are you?", "image": "/a.png"},
        ]
    ]
    turns = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user")]
    suite = suite_of(checks, prompt=None, messages=turns).model_copy(update={"system_prompt": "Be brief."})
    assert conversations(suite) == [turns]
