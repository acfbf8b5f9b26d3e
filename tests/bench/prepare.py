"""Rows a second and memory while data is prepared: cockpit, its second start, and TRL's own dataset.map. A report.

usage: python -m tests.bench.prepare [--rows N ...] [--model FOLDER] [--recipe NAME] [--only cockpit|trl] [--procs N]
Made-up chats of about 300 tokens. FOLDER has the tokenizer (a real one, such as SmolLM2's); without it one of 50,000
tokens is trained here. NAME is a shipped recipe, such as gemma-3-4b or qwen3-8b: its data section and lengths, with
made-up rows in its sources' forms; TRL is left out then. `trl` runs as SFTTrainer does it, with the same template and
its own marks for the answers, in one process (its default) and in N (as many as there are cores).
Each figure is of a process of its own; a line of JSON each on stdout: seconds and CPU seconds (children included) from
the file to the prepared dataset, peak of RSS and PSS of all its processes, and RSS before. PSS counts a page that
several processes share once. `again` is a second start in a new process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from cockpit.machine.cores import usable_cores

ROOT = Path(__file__).resolve().parents[2]
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
MARKED = (
    "{% for message in messages %}{% if message.role == 'assistant' %}<|im_start|>assistant\n{% generation %}"
    "{{ message.content }}<|im_end|>{% endgeneration %}{{ '\n' }}{% else %}<|im_start|>{{ message.role }}\n"
    "{{ message.content }}<|im_end|>\n{% endif %}{% endfor %}"
)
"""ChatML with the marks by which TRL masks."""
CHATML = MARKED.replace("{% generation %}", "").replace("{% endgeneration %}", "")
VOCABULARY = 50_000
QUESTION, ANSWER = (5, 30), (20, 110)
"""Words from ... to: rows of about 300 tokens by a tokenizer that has not learnt the made-up words."""
KNOWN_WORDS = 1.7
"""As many words, for the tokenizer that is trained here on them."""


def main() -> None:
    """All that was asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--recipe")
    parser.add_argument("--only", nargs="+", choices=("cockpit", "trl"), default=["cockpit", "trl"])
    parser.add_argument("--procs", type=int, default=usable_cores())
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cockpit-bench-", dir=os.environ.get("BENCH_DIR")) as folder:
        place = Path(folder)
        model = _model(asked.model, place / "model")
        for rows in asked.rows:
            _measure(asked, place, model, rows)


def _measure(asked: argparse.Namespace, place: Path, model: Path, rows: int) -> None:
    scale = KNOWN_WORDS if asked.model is None else 1.0
    if "cockpit" in asked.only:
        case = {"who": "cockpit", "model": str(model), "recipe": asked.recipe, "rows": rows}
        case["text"] = recipe_text(asked.recipe, model, place, rows, scale)
        _run(place, case)
        _run(place, {**case, "again": True})
    if "trl" in asked.only and not asked.recipe:
        for procs in dict.fromkeys((1, asked.procs)):
            case = {"who": "trl", "model": str(model), "rows": rows, "procs": procs}
            case["data"] = str(chats(place / f"chats-{rows}.jsonl", rows, scale))
            _run(place, case)
            if procs == 1:
                _run(place, {**case, "again": True})


def _run(place: Path, case: dict[str, Any]) -> None:
    """Measure one case in a process of its own, with caches that lie in `place`."""
    caches = {"XDG_CACHE_HOME": str(place / "cache"), "HF_HOME": str(place / f"hf-{case.get('procs', 0)}")}
    quiet = {"HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "tests.bench.prepare_case"]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    env = os.environ | caches | quiet | {"PYTHONPATH": paths, "COCKPIT_CACHE_GB": "1000"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(case))
    process.stdin.close()
    found = json.loads(process.stdout.read().splitlines()[-1])
    process.wait()
    shown = {name: case[name] for name in ("who", "recipe", "rows", "procs", "again") if case.get(name)}
    print(json.dumps(shown | found | {"cores": usable_cores()}), flush=True)


# Data


def words() -> Iterator[str]:
    """40,000 made-up words, the short ones first."""
    rng = random.Random(0)
    syllables = [a + b + c for a in "bcdfghklmnprstvz" for b in "aeiou" for c in ("", "n", "r", "s", "l")]
    for at in range(40_000):
        yield "".join(rng.choices(syllables, k=1 + (at > 300) + (at > 5_000) + (at > 20_000)))


def texts(seed: int) -> Callable[[float, float], str]:
    """Makes texts of so many words, from ... to; some words are much more frequent than others."""
    rng, known = random.Random(seed), list(words())

    def text(least: float, most: float) -> str:
        count = rng.randint(int(least), int(most))
        chosen = (known[min(int(rng.paretovariate(0.55)), len(known)) - 1] for _ in range(count))
        return " ".join(chosen).capitalize() + "."

    return text


def chats(path: Path, rows: int, scale: float) -> Path:
    """Conversations of role and content, `scale` times as long as is usual."""
    return _write(path, rows, scale, lambda turns: {"messages": turns}, ("role", "content", "user", "assistant"))


def _write(
    path: Path, rows: int, scale: float, row: Callable[[list[dict[str, str]]], dict[str, Any]], keys: tuple[str, ...]
) -> Path:
    if path.exists():
        return path
    text, rng = texts(1), random.Random(2)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(rows):
            turns = []
            for _ in range(rng.choice((1, 1, 2, 3))):
                turns.append({keys[0]: keys[2], keys[1]: text(*(scale * words for words in QUESTION))})
                turns.append({keys[0]: keys[3], keys[1]: text(*(scale * words for words in ANSWER))})
            file.write(json.dumps(row(turns)) + "\n")
    return path


def recipe_text(name: str | None, model: Path, place: Path, rows: int, scale: float) -> str:
    """A recipe over made-up rows: that of `name` with files in place of its sources, or a plain one for chats."""
    from ruamel.yaml import YAML

    from tests.engine import tiny

    if name is None:
        path = chats(place / f"chats-{rows}.jsonl", rows, scale)
        recipe = json.loads(tiny.recipe_text(model, path, backend="transformers"))
        recipe["model"]["max_seq_length"] = 2048
        return json.dumps(recipe)
    recipe = YAML(typ="safe").load((ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8"))
    recipe["model"]["name_or_path"] = str(model)
    for number, source in enumerate(recipe["data"]["sources"]):
        path = place / f"{name}-{number}-{rows}.jsonl"
        columns = source.get("columns", {})
        if source.get("format") == "prompt_completion":
            prompt, completion = columns.get("prompt", "prompt"), columns.get("completion", "completion")
            pair = lambda turns, one=prompt, two=completion: {one: turns[0]["content"], two: turns[-1]["content"]}
            _write(path, rows, scale, pair, ("role", "content", "user", "assistant"))
        elif source.get("format") == "sharegpt":
            _write(path, rows, scale, lambda turns: {"conversations": turns}, ("from", "value", "human", "gpt"))
        else:
            chats(path, rows, scale)
        source["name_or_path"], source["split"] = str(path), "train"
    return json.dumps(recipe)


def _model(given: Path | None, place: Path) -> Path:
    """A folder with a tokenizer and a config: the one that is given, or a tokenizer that is trained here."""
    if given is not None:
        return given
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=list(SPECIALS), show_progress=False)
    text = texts(3)
    inner.train_from_iterator((" ".join(words()) + text(50, 200) for _ in range(200)), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        bos_token="<bos>",
        chat_template=CHATML,
    )
    tokenizer.save_pretrained(place)
    (place / "config.json").write_text('{"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}')
    return place


# What is measured


class Memory:
    """The peak of all processes of this one's tree, in MiB."""

    def __init__(self) -> None:
        self.rss = self.pss = 0.0
        self._me = psutil.Process()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def now(self) -> tuple[float, float]:
        """RSS and PSS."""
        rss = pss = 0.0
        for process in (self._me, *self._me.children(recursive=True)):
            with suppress(psutil.Error, OSError, ValueError):
                rss += process.memory_info().rss / 2**20
                rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
                pss += int(rollup.partition("\nPss:")[2].split()[0]) / 1024
        return rss, pss

    def end(self) -> None:
        """Stop looking."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.2):
            rss, pss = self.now()
            self.rss, self.pss = max(self.rss, rss), max(self.pss, pss)


def measured(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The work's own figures, its time and its memory."""
    memory = Memory()
    before, cpu, begun = memory.now(), os.times(), time.monotonic()
    found = work()
    seconds, spent = time.monotonic() - begun, os.times()
    memory.end()
    rows = found["prepared"]
    used = sum(spent[:4]) - sum(cpu[:4])
    return found | {
        "seconds": round(seconds, 2),
        "rows_per_s": round(rows / seconds),
        "cpu_s": round(used, 2),
        "peak_rss_mib": round(memory.rss),
        "peak_pss_mib": round(memory.pss),
        "rss_before_mib": round(before[0]),
    }


if __name__ == "__main__":
    main()
