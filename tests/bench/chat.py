"""One reply as transformers or Unsloth draw it and as cockpit does: tokens a second, first token, equal tokens.

usage: python -m tests.bench.chat MODEL [--backend B] [--quantization Q] [--tokens N] [--rounds N] [--prompt-words N]
       [--lock FILE]
MODEL is a name of tests.bench.random_models, or a folder. "bare" is model.generate, greedy, on the text that the chat
template renders; "eager" the same where nothing is compiled; "cockpit" is the product's own way, warmed up. Tuned has a
random adapter. Tokens that differ from those of "eager" are counted; there should be none. With --json FILE the
figures are written there too. Who has loaded waits for the lock of FILE, so that others may load meanwhile.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from cockpit.engine.stack import import_stack
from tests.bench.random_adapter import with_random_adapter
from tests.bench.random_models import WORDS, make_model


class Clock:
    """A streamer that notes when the first token came."""

    def __init__(self) -> None:
        self.begun, self.first, self.ids = time.monotonic(), 0.0, list[int]()
        self._prompt = True

    def put(self, value: Any) -> None:
        """Called with the prompt, then with each token."""
        if self._prompt:
            self._prompt = False
            return
        self.first = self.first or time.monotonic() - self.begun
        self.ids += value.flatten().tolist()

    def end(self) -> None:
        """The reply is whole."""


def main() -> None:
    """Measure, and print a line for each way, tuned and base."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--backend", default="unsloth")
    parser.add_argument("--quantization", default="nf4")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--prompt-words", type=int, default=40)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "bench-models")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--lock", type=Path)
    asked = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    path = Path(asked.model) if Path(asked.model).is_dir() else make_model(asked.model, asked.folder)
    begun = time.monotonic()
    import_stack(asked.backend)
    imported = time.monotonic()
    import torch

    from cockpit.protocol.commands import Chat
    from tests.engine.chat.answering import Recorder, new_run, talks

    loaded = with_random_adapter(
        asked.backend, str(path), max_seq_length=4096, dtype="auto", quantization=asked.quantization
    )
    print(f"import {imported - begun:.1f} s, load {time.monotonic() - imported:.1f} s", flush=True)
    if asked.lock is not None:
        held = asked.lock.open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
    words = WORDS.split()
    prompt = " ".join(words[at % len(words)] for at in range(asked.prompt_words))
    chatter = Recorder(loaded, new_run(Path(tempfile.mkdtemp())))
    figures: list[dict[str, Any]] = []

    def chat(adapter: bool, tokens: int) -> Chat:
        return Chat(id="1", messages=talks([prompt])[0], adapter=adapter, do_sample=False, max_new_tokens=tokens)

    def draw(way: str, adapter: bool, tokens: int) -> tuple[float, float, list[int]]:
        """Seconds, seconds to the first token, and the tokens."""
        clock = Clock()
        one = chat(adapter, tokens)
        with torch.inference_mode():
            inputs = chatter.inputs(one)
            settings = chatter.settings(one, tokens)
            settings.min_new_tokens = tokens
            clock.begun = time.monotonic()
            if way == "cockpit":
                chatter.generate(one, inputs, settings, lambda: False, clock)  # type: ignore[arg-type]
            else:
                eager = torch.compiler.set_stance("force_eager") if way == "eager" else nullcontext()
                with eager, nullcontext() if adapter else loaded.model.disable_adapter():
                    loaded.model.generate(**inputs, generation_config=settings, streamer=clock)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.monotonic() - clock.begun, clock.first, clock.ids

    for adapter in (True, False):
        begun = time.monotonic()
        draw("cockpit", adapter, 8)
        why_not = chatter.quick.alone.why_not or "–"
        print(
            f"warm-up ({'tuned' if adapter else 'base'}): {time.monotonic() - begun:.2f} s; not replayed: {why_not}",
            flush=True,
        )
    drawn: dict[tuple[str, bool], list[list[int]]] = {}
    ways = ("eager", "cockpit", "bare")
    taken: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    for way in ways:
        for at in range(asked.rounds + (way == "bare")):
            for adapter in (True, False):
                seconds, first, ids = draw(way, adapter, asked.tokens)
                if way == "bare" and at == 0:
                    print(f"bare, first reply (it may compile): {seconds:.1f} s", flush=True)
                    continue
                taken.setdefault((way, adapter), []).append((seconds, first))
                drawn.setdefault((way, adapter), []).append(ids)
    for adapter in (True, False):
        reference = drawn["eager", adapter][0]
        for way in ways:
            seconds = statistics.median(took for took, _ in taken[way, adapter])
            first = statistics.median(at for _, at in taken[way, adapter])
            differ = [sum(a != b for a, b in zip(reference, ids, strict=True)) for ids in drawn[way, adapter]]
            figures.append(
                {
                    "model": path.name, "backend": asked.backend, "adapter": adapter, "way": way,
                    "tokens_per_s": round(asked.tokens / seconds, 1), "first_token_s": round(first, 3),
                    "tokens_that_differ": differ,
                }
            )  # fmt: skip
            print(json.dumps(figures[-1]), flush=True)
    graphs = chatter.quick.alone
    print(f"passes that were replayed: {graphs.replayed}; why not: {graphs.why_not or '–'}", flush=True)
    if asked.json is not None:
        asked.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
