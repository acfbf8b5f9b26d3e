"""A smoke suite from the command to the tiny model and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.protocol.events import PromptAnswered
from tests.engine.conftest import HostedRun

SUITE = {
    "max_new_tokens": 8,
    "threshold": 0.75,
    "learned": [
        {"prompt": "what is the name of red 3", "checks": {"contains": ["matey"], "repeats_nothing": True}},
        {"prompt": "what is the name of cat 9 one two three", "checks": {"contains": ["matey"]}},
    ],
    "kept": [
        {"prompt": "red " * 400, "checks": {"not_contains": ["arr"]}},
        {"prompt": "yes", "checks": {"regex": ["."]}},
    ],
}


def test_a_suite_tells_what_a_run_has_learned(hosted: Callable[..., HostedRun], tmp_path: Path) -> None:
    run = hosted(training__max_steps=24, suite__learned=SUITE["learned"], suite__max_new_tokens=8)
    run.until_phase("ready")
    suite = tmp_path / "suite.yaml"
    suite.write_text(json.dumps(SUITE), encoding="utf-8")
    arguments = ["smoke", run.run.id, str(suite), "--both", "--json", "--junit", str(tmp_path / "junit.xml")]
    result = CliRunner().invoke(cockpit, arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert [row["verdict"] for row in document["rows"][:2]] == ["better", "better"]
    reply, _ = run.ask("what is the name of red 3", do_sample=False, max_new_tokens=8)
    assert document["rows"][0]["tuned"]["reply"] == reply
    assert "The prompt has " in document["rows"][2]["tuned"]["reason"]
    assert {one.together for one in run.all(PromptAnswered)} == {1, 3}
    errors = list(ET.parse(tmp_path / "junit.xml").iter("error"))
    assert len(errors) == 1 and errors[0].attrib["message"].startswith("The prompt has ")
    own = CliRunner().invoke(cockpit, ["smoke", run.run.id])
    assert (own.exit_code, own.stdout.splitlines()[-1][:33]) == (0, "2 of 2 passed (learned 2 of 2). 1")
