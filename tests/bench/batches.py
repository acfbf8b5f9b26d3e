"""A suite's prompts answered one by one and up to 32 at once, by a model of this disk with a fresh adapter.

usage: python -m tests.bench.batches MODEL [--backend B] [--prompts N] [--tokens N] [--dtype D]
MODEL is a folder, or embedded:demo. Replies that differ are counted: in float32 on the CPU there should be none.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from cockpit.engine.stack import import_stack
from tests.bench.random_adapter import with_random_adapter

QUESTIONS = (
    "What is the capital of {}?",
    "Who lives in {}? Answer in one sentence.",
    "{}?",
    "Tell me a story about {}.",
)
PLACES = ("France", "Peru", "the Moon", "a small town by the sea", "Japan", "Zorvia")


def main() -> None:
    """Measure, and print a line for tuned and for base."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--backend", default="transformers")
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--dtype", default="auto")
    asked = parser.parse_args()
    import_stack(asked.backend)
    from tests.engine.chat.answering import Recorder, alone, new_run, talks, together

    loaded = with_random_adapter(asked.backend, asked.model, max_seq_length=2048, dtype=asked.dtype)
    conversations = talks(
        [f"{at}. {QUESTIONS[at % len(QUESTIONS)].format(PLACES[at % len(PLACES)])}" for at in range(asked.prompts)]
    )
    for adapter in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            run = new_run(Path(folder))
            single, several = Recorder(loaded, run), Recorder(loaded, run)
            alone(single, conversations[0], 8, adapter=adapter)  # warm
            single.drawn.clear()
            begun = time.monotonic()
            replies = [alone(single, talk, asked.tokens, adapter=adapter)[0] for talk in conversations]
            between = time.monotonic()
            together(several, run, conversations, asked.tokens, adapter=adapter)
            ended = time.monotonic()
        tokens = sum(reply.new_tokens for reply in replies)
        equal = sum(several.drawn.get(ids) == drawn for ids, drawn in single.drawn.items())
        print(
            f"{'tuned' if adapter else 'base'}: {tokens / (between - begun):.1f} tokens/s one by one, "
            f"{tokens / (ended - between):.1f} together, {(between - begun) / (ended - between):.1f} times as fast; "
            f"{equal} of {len(replies)} replies equal",
            flush=True,
        )


if __name__ == "__main__":
    main()
