"""Random conversations through every chat template that trl and unsloth have: what is trained, against an oracle

python -m tests.torture.masks [ROWS] [NAME...]   ROWS of each template (2,000), of all or of those whose names hold NAME
"""

from __future__ import annotations

import sys
from collections import Counter

from tests.engine.masks.conversations import Maker
from tests.engine.masks.judge import Judge
from tests.engine.masks.templates import all_templates

ROWS, SHOWN = 2_000, 3
OUTCOMES = ("exact", "left out", "refused", "unjudged", "wrong")


def main(arguments: list[str]) -> int:
    """1 where a row is wrong."""
    rows = int(arguments[0]) if arguments else ROWS
    templates = {
        name: text
        for name, text in all_templates().items()
        if not arguments[1:] or any(part in name for part in arguments[1:])
    }
    total: Counter[str] = Counter()
    examples: list[str] = []
    print(f"| template | {' | '.join(OUTCOMES)} |")
    print(f"|---|{'---:|' * len(OUTCOMES)}")
    for name, text in templates.items():
        judge, found = Judge(name, text), Counter[str]()
        for seed in range(rows):
            verdict = judge.judge(Maker(seed).conversation())
            found[verdict.outcome] += 1
            if verdict.outcome in ("wrong", "left out", "unjudged") and found[verdict.outcome] <= SHOWN:
                examples.append(f"{name}, seed {seed}, {verdict.outcome}: {verdict.why}")
        print(f"| {name} | {' | '.join(f'{found[one]:,}' for one in OUTCOMES)} |", flush=True)
        total += found
    print(f"| all {len(templates)} | {' | '.join(f'{total[one]:,}' for one in OUTCOMES)} |")
    print("\n".join(examples), file=sys.stderr)
    return 1 if total["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
