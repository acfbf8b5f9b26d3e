"""Random conversations through every chat template that trl and unsloth have: what is trained, against an oracle

python -m tests.torture.masks [--rows 2000] [--first SEED] [--keep-reasoning] [--tokenizer FOLDER] [NAME...]

Of all templates, or of those whose names hold a NAME, on a tiny tokenizer or the one in FOLDER; with the NAME `own`, of
that tokenizer's own template, which must be ChatML. With --keep-reasoning, as with data.keep_reasoning: reasoning that
is neither in the text nor named is wrong too.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import Any

from tests.engine.masks.conversations import Maker
from tests.engine.masks.judge import Judge
from tests.engine.masks.templates import all_templates

SHOWN = 3
OUTCOMES = ("exact", "left out", "refused", "unjudged", "wrong")


def main() -> int:
    """1 where a row is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep-reasoning", action="store_true")
    parser.add_argument("--tokenizer")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    templates = all_templates()
    if asked.names:
        templates = {name: text for name, text in templates.items() if any(part in name for part in asked.names)}
    if "own" in asked.names:
        templates["own"] = _tokenizer(asked.tokenizer).chat_template
    total: Counter[str] = Counter()
    examples: list[str] = []
    print(f"| template | {' | '.join(OUTCOMES)} |")
    print(f"|---|{'---:|' * len(OUTCOMES)}")
    for name, text in templates.items():
        judge = Judge(name, text, _tokenizer(asked.tokenizer), keep_reasoning=asked.keep_reasoning)
        found = Counter[str]()
        for seed in range(asked.first, asked.first + asked.rows):
            verdict = judge.judge(Maker(seed).conversation())
            found[verdict.outcome] += 1
            if verdict.outcome in ("wrong", "left out", "unjudged") and found[verdict.outcome] <= SHOWN:
                examples.append(f"{name}, seed {seed}, {verdict.outcome}: {verdict.why}")
        print(f"| {name} | {' | '.join(f'{found[one]:,}' for one in OUTCOMES)} |", flush=True)
        total += found
    print(f"| all {len(templates)} | {' | '.join(f'{total[one]:,}' for one in OUTCOMES)} |")
    print("\n".join(examples), file=sys.stderr)
    return 1 if total["wrong"] else 0


def _tokenizer(folder: str | None) -> Any:
    """A fresh one; None where none is given."""
    if folder is None:
        return None
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


if __name__ == "__main__":
    sys.exit(main())
