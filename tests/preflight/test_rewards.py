"""What is rewarded is looked at before anything is loaded: schemas that are none, columns that no row has."""

from pathlib import Path

import pytest

from tests.preflight.preflighting import document, files, said

__all__ = ["files"]


@pytest.mark.parametrize(
    ("reward", "says"),
    [
        ({"numeric_answer": "answer"}, []),
        (
            {"numeric_answer": "solution"},
            [
                "numeric_answer: rows.jsonl has no column 'solution'; it has prompt, answer; name the one with the "
                "right answer"
            ],
        ),
        ({"json_schema": {"type": "object"}}, []),
        (
            {"json_schema": {"type": "nonsense"}},
            ["json_schema: it is no JSON schema ('nonsense' is not valid under any of the given schemas); mend it"],
        ),
        (
            {"json_schema": {"properties": 3}},
            ["json_schema: it is no JSON schema (3 is not of type 'object'); mend it"],
        ),
    ],
)
def test_what_cannot_be_rewarded(files: Path, reward: dict[str, object], says: list[str]) -> None:
    (files / "rows.jsonl").write_text('{"prompt": "How much is 1 plus 1?", "answer": "2"}\n' * 9)
    asked = document(method="grpo", grpo__rewards=[reward], grpo__max_completion_length=64, data__eval_rows=0)
    asked.set("data.sources", [{"name_or_path": "rows.jsonl", "format": "prompts"}])
    assert said(asked) == [f"sample.yaml: grpo.rewards.0.{one}" for one in says]
