"""How good an answer is beside the one that was wanted: the same text, words in common, and what a recipe asks for"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from cockpit.recipe.evaluation import Evaluation
from cockpit.suites.checks import is_json
from cockpit.suites.own_code import score_of

_words = re.compile(r"[぀-ヿ㐀-鿿豈-﫿]|[^\W_]+")
"""Words, and characters of scripts that put no blanks between words."""

Score = Callable[[str, str], float]
"""Takes the answer and the one that was wanted; from 0 to 1."""


def scores(asked: Evaluation, warn: Callable[[str], None]) -> dict[str, Score]:
    """What the recipe measures of an answer, by its name. `warn` is told what a function of the user's own has against
    being called."""
    found: dict[str, Score] = {name: SCORES[name] for name in SCORES if name in asked.metrics}
    if asked.regex is not None:
        pattern = re.compile(asked.regex, re.MULTILINE)
        found["regex"] = lambda answer, wanted: float(pattern.search(answer) is not None)
    if asked.function is not None:
        name = asked.function
        found["function"] = lambda answer, wanted: score_of(name, answer, wanted, warn)
    return {f"eval_{name}": score for name, score in found.items()}


def exact_match(answer: str, wanted: str) -> float:
    """1 where both are the same text, blanks around it left aside."""
    return float(answer.strip() == wanted.strip())


def token_f1(answer: str, wanted: str) -> float:
    """The harmonic mean of the share of the answer's words that were wanted and the share of the wanted ones that it
    has; capital and small letters are the same, and no sign counts."""
    given, right = (Counter(_words.findall(text.casefold())) for text in (answer, wanted))
    if not given or not right:
        return float(given == right)
    both = (given & right).total()
    return 2 * both / (given.total() + right.total())


def json_valid(answer: str, wanted: str) -> float:
    """1 where the whole answer is one JSON value."""
    return float(not is_json(answer.strip()))


SCORES: dict[str, Score] = {"exact_match": exact_match, "token_f1": token_f1, "json_valid": json_valid}
