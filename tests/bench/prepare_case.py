"""One case of tests.bench.prepare, in a process of its own: JSON on stdin, figures on stdout."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.bench.prepare import MARKED, measured


def cockpit(case: dict[str, Any]) -> dict[str, Any]:
    """Prepare the rows as the engine does, once its stack is imported."""
    import datasets  # noqa: F401
    import trl  # noqa: F401

    from cockpit.engine.data.prepare import prepare_data
    from cockpit.engine.model.tokenizer import load_tokenizer
    from cockpit.models.folder import ModelFolder
    from cockpit.recipe.document import RecipeDocument

    recipe = RecipeDocument.parse(case["text"], "bench").recipe()
    tokenizer, _ = load_tokenizer(ModelFolder.at(Path(case["model"])), recipe)

    def work() -> dict[str, Any]:
        counts = prepare_data(recipe, tokenizer, lambda _: None, lambda *_: None).counts
        return {"prepared": counts.train_rows + counts.eval_rows, "tokens": counts.tokens, "sha256": counts.sha256[:12]}

    return measured(work)


def trl_own(case: dict[str, Any]) -> dict[str, Any]:
    """Load and map the rows as SFTTrainer does, with masks of the answers alone."""
    import datasets
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(case["model"])
    procs = case["procs"]
    args = SFTConfig("out", assistant_only_loss=True, max_length=2048, use_cpu=True, bf16=False, report_to="none")
    args.dataset_num_proc = procs if procs > 1 else None
    trainer = SimpleNamespace(_tokenizer=tokenizer, chat_template=MARKED, completion_only_loss=False)

    def work() -> dict[str, Any]:
        rows = datasets.load_dataset("json", data_files=case["data"], split="train")
        done = SFTTrainer._prepare_dataset(trainer, rows, tokenizer, args, False, None, "train")
        return {"prepared": len(done)}

    return measured(work)


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    print(json.dumps(cockpit(asked) if asked["who"] == "cockpit" else trl_own(asked)))
