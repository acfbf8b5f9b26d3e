"""How good an answer is beside the one that was wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.recipe.evaluation import Evaluation
from cockpit.suites.scores import exact_match, json_valid, scores, token_f1


@pytest.mark.parametrize(
    ("answer", "wanted", "f1"),
    [
        ("Paris", "Paris", 1.0),
        ("It is Paris.", "paris", 0.5),
        ("red red blue", "red blue blue", 2 / 3),
        ("", "", 1.0),
        ("...", "", 1.0),
        ("", "Paris", 0.0),
        ("London", "Paris", 0.0),
        ("東京です", "東京", 2 / 3),
        ("Ça_va 12", "ça va", 0.8),
    ],
)
def test_words_in_common(answer: str, wanted: str, f1: float) -> None:
    assert token_f1(answer, wanted) == pytest.approx(f1)
    assert token_f1(wanted, answer) == pytest.approx(f1)


def test_the_same_text_and_json() -> None:
    assert exact_match(" Paris\n", "Paris") == 1
    assert exact_match("paris", "Paris") == 0
    assert [json_valid(text, "") for text in (' {"a": 1} ', "[1]", "{a: 1}", "It is 1", "NaN")] == [1, 1, 0, 0, 0]


def test_what_the_recipe_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scoring_of_a_test.py").write_text(
        "def share(answer, wanted):\n"
        "    print('said')\n"
        "    return {'half': 0.5, 'yes': True, 'much': 7, 'none': None}[answer]\n"
    )
    monkeypatch.chdir(tmp_path)
    asked = Evaluation(rows=1, metrics=[], regex="^b$", function="scoring_of_a_test:share")
    told: list[str] = []
    found = scores(asked, told.append)
    assert list(found) == ["eval_regex", "eval_function"] == list(asked.names())
    assert [found["eval_regex"](text, "") for text in ("a\nb", "ab")] == [1, 0]
    assert [found["eval_function"](text, "") for text in ("half", "yes", "much", "none", "else")] == [0.5, 1, 0, 0, 0]
    assert told[0] == "The function scoring_of_a_test:share gave 7, which is not from 0 to 1."
    assert told[1].startswith("The function scoring_of_a_test:share failed (TypeError: ")
    assert told[2] == "The function scoring_of_a_test:share failed (KeyError: 'else')."
