"""Suites and reports for tests"""

from __future__ import annotations

from typing import Any

from cockpit.recipe.suite import Suite
from cockpit.suites.answer import Answer, Judged, Result, Row
from cockpit.suites.report import Report


def suite_of(checks: dict[str, Any], **prompt: Any) -> Suite:
    """A suite of one prompt."""
    return Suite.model_validate({"learned": [{"prompt": "Who are you?", "checks": checks, **prompt}]})


def judged(*failures: str, reply: str = "Arr", passed: int = 1) -> Judged:
    """A reply with `passed` checks that it passes, and those that it fails."""
    results = [Result("json")] * passed + [Result("contains 'x'", one) for one in failures]
    return Judged(Answer(reply, new_tokens=3), results)


def report(threshold: float = 1.0) -> Report:
    """One prompt of each verdict, one that could not be answered, and what must be escaped."""
    failed = Judged(Answer("", end="failed", reason="The prompt has 900 tokens."))
    rows = [
        Row("learned", "Who <are> you?", judged("No x."), judged(reply="<b>&\x1b[31m\x00 \ud7ff\uffff]]>")),
        Row("learned", "What now?", judged("No x.", "No y.", passed=0), judged("No x.", passed=1)),
        Row("learned", "And now?", judged("No x."), judged("No x.", passed=1)),
        Row("kept", "1 + 1", judged(), judged()),
        Row("kept", "2 + 2 \x07" + "?" * 60, judged(), judged('It says "5" & <no more>.')),
        Row("kept", "3 + 3", judged("No x."), judged("No x.", "No y.", passed=0)),
        Row("kept", "too long", judged(), failed),
    ]
    return Report("demo-1", "suite.yaml", threshold, rows, 1.25)
