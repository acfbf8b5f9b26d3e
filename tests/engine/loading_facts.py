"""What recipes load as, told by an engine's process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CODE = """
import json, sys
from cockpit.engine.stack import import_stack

import_stack(sys.argv[1])
import torch
from cockpit.engine.ending import RunFailure
from cockpit.engine.loading import load_for_training
from cockpit.engine.training import _compute_dtype
from cockpit.recipe.document import RecipeDocument

for line in sys.stdin:
    name, text = json.loads(line)
    recipe = RecipeDocument.parse(text, "recipe.yaml").recipe()
    try:
        loaded = load_for_training(recipe, lambda text: None)
    except RunFailure as failure:
        print("FACTS", json.dumps({"name": name, "failure": str(failure)}))
        continue
    device, dtype = loaded.device, _compute_dtype(recipe, loaded)
    ids = torch.tensor([loaded.tokenizer("what is the name of a colour")["input_ids"]], device=device)
    loaded.model.train()
    with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
        loss = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids).loss
    loss.backward()
    trained = sorted(name for name, p in loaded.model.named_parameters() if p.requires_grad)
    facts = {
        "name": name, "adapted": loaded.adapted, "sees": loaded.processor is not None, "fast": loaded.tokenizer.is_fast,
        "padding": loaded.tokenizer.padding_side, "loss": loss.item(), "trained": trained, "dtype": str(dtype),
        "gradients": sum(p.grad is not None for p in loaded.model.parameters()),
        "all": sum(1 for _ in loaded.model.parameters()), "kind": type(loaded.model).__name__,
        "quantised": sum(type(p).__name__ in ("Params4bit", "Int8Params") for p in loaded.model.parameters()),
    }
    print("FACTS", json.dumps(facts))
    del loaded, loss
"""


def facts_of(backend: str, asked: list[tuple[str, str]], folder: Path, **environment: str) -> dict[str, dict[str, Any]]:
    """What each of the named recipes loads as, by its name, in one engine's process without a compiler."""
    place = {"UNSLOTH_COMPILE_LOCATION": str(folder / "compiled"), "UNSLOTH_COMPILE_DISABLE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CODE, backend],
        input="".join(json.dumps(pair) + "\n" for pair in asked),
        capture_output=True,
        text=True,
        env=os.environ | place | environment,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    printed = (json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("FACTS "))
    return {fact["name"]: fact for fact in printed}
