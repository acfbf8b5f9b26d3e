"""A tokenizer is loaded without torch, in a process of its own as what was imported is told from what was not."""

import subprocess
import sys

from tests.engine import tiny

CODE = """
import importlib.util, json, sys
from pathlib import Path
from cockpit.engine.data.without_torch import without_torch
from cockpit.recipe.document import RecipeDocument

text = sys.stdin.read()
asked = RecipeDocument.parse(text, "test").recipe()
trusted = asked.model_copy(update={"model": asked.model.model_copy(update={"trust_remote_code": True})})
with without_torch(trusted):
    assert importlib.util.find_spec("torch") is not None
with without_torch(asked):
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained("cockpit/demo/model")
    assert importlib.util.find_spec("torch") is None
assert "transformers" not in sys.modules and importlib.util.find_spec("torch") is not None
print(json.dumps(tokenizer("Ahoy")["input_ids"]))
"""


def test_a_tokenizer_needs_no_torch_and_nothing_is_left_of_it() -> None:
    from transformers import AutoTokenizer

    text = tiny.recipe_text("embedded:demo", "embedded:pirate")  # type: ignore[arg-type]
    found = subprocess.run(
        [sys.executable, "-c", CODE], input=text, capture_output=True, text=True, timeout=240, check=False
    )
    assert found.returncode == 0, found.stderr
    whole = AutoTokenizer.from_pretrained("cockpit/demo/model")
    assert found.stdout.strip() == str(whole("Ahoy")["input_ids"])
