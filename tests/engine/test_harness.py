"""Tasks of lm-evaluation-harness on a tiny model: its rows are put as training has rendered rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="the extra `eval` is not installed")
torch = pytest.importorskip("torch")

from cockpit.engine.data.chat_template import ChatTemplate  # noqa: E402
from cockpit.engine.errors import RunFailure  # noqa: E402
from cockpit.engine.harness import Asked, evaluate  # noqa: E402
from cockpit.recipe.document import RecipeDocument  # noqa: E402
from cockpit.recipe.recipe import Recipe  # noqa: E402
from tests.engine import tiny  # noqa: E402

QUESTIONS = [f"what is the name of {colour} {number}" for colour in ("red", "blue") for number in (1, 2, 3)]
NEW_TOKENS = 6
SAYS = """\
task: says
dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["<|im_end|>"], do_sample: false, max_gen_toks: {tokens}}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
"""
CHOOSES = """\
task: chooses
dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: ["arr", "yes", "no"]
doc_to_target: 0
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


@pytest.fixture(scope="module")
def recipe(model: Path, rows: Path) -> Recipe:
    text = tiny.recipe_text(model, rows, backend="transformers")
    return RecipeDocument.parse(text, "recipe.yaml").recipe()


@pytest.fixture(scope="module")
def adapter(folder: Path, model: Path) -> Path:
    """One that changes what the model says."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tuned = get_peft_model(
        AutoModelForCausalLM.from_pretrained(model), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    torch.manual_seed(1)
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    tuned.save_pretrained(folder / "harness-adapter")
    AutoTokenizer.from_pretrained(model).save_pretrained(folder / "harness-adapter")
    return folder / "harness-adapter"


@pytest.fixture(scope="module")
def tasks(folder: Path, model: Path, adapter: Path) -> Path:
    """Tasks whose answers are what the tuned model says to the text that the training template renders."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(adapter)
    tuned = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model), str(adapter)).eval()
    template, answered = ChatTemplate(tokenizer), []
    for question in QUESTIONS:
        text = template.prompt([{"role": "user", "content": question}], False)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        said = tuned.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=0,
                              eos_token_id=tokenizer.eos_token_id, max_new_tokens=NEW_TOKENS)  # fmt: skip
        answer = tokenizer.decode(said[0, ids.shape[1] :], skip_special_tokens=True)
        answered.append({"question": question, "answer": answer})
    place = folder / "harness-tasks"
    place.mkdir()
    rows = place / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in answered), encoding="utf-8")
    (place / "says.yaml").write_text(SAYS.format(rows=rows, tokens=NEW_TOKENS), encoding="utf-8")
    (place / "chooses.yaml").write_text(CHOOSES.format(rows=rows), encoding="utf-8")
    return place


def test_rows_are_put_through_the_training_template(recipe: Recipe, adapter: Path, tasks: Path) -> None:
    asked, said = Asked(("says", "chooses"), include=tasks), list[str]()
    found = evaluate(recipe, adapter, asked, base=False, target="tiny", say=said.append)
    assert found.tasks["says"].metrics == {"exact_match": 1.0}
    assert (found.tasks["says"].rows, found.tasks["chooses"].rows) == (6, 6)
    assert 0 <= found.tasks["chooses"].metrics["acc"] <= 1 and "acc" in found.tasks["chooses"].stderr
    assert found.is_templated and found.program.startswith("lm-eval 0.4.") and found.weights == "tuned"
    assert said == ["loading the model", "evaluating says, chooses"]
    base = evaluate(recipe, adapter, replace(asked, tasks=("says",), limit=2), base=True, target="tiny", say=print)
    assert base.tasks["says"].metrics == {"exact_match": 0.0}, "with the adapter off it says other things"
    assert (base.tasks["says"].rows, base.weights, base.limit) == (2, "base", 2)


def test_what_cannot_be_evaluated(recipe: Recipe, model: Path, adapter: Path, tasks: Path) -> None:
    with pytest.raises(RunFailure) as failure:
        evaluate(recipe, adapter, Asked(("sayz",), include=tasks), base=False, target="tiny", say=print)
    assert str(failure.value) == "lm-evaluation-harness has no task 'sayz'."
    assert failure.value.advice.startswith("Is it says")
    with pytest.raises(RunFailure, match="whole model"):
        evaluate(recipe, model, Asked(("says",), include=tasks), base=True, target="tiny", say=print)
