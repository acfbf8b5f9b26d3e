"""model.add_tokens: trained, resumed, asked, merged, and loaded by plain peft, with tied embeddings and without."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cockpit.engine.data.report import data_report
from cockpit.engine.model.loading import load_for_chat
from cockpit.models.saved_adapter import rows_needed
from cockpit.protocol.events import LogWritten
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from tests.engine import tiny
from tests.engine.conftest import HostedRun
from tests.engine.export.exporting import export
from tests.engine.families import make_family
from tests.engine.training.resuming import figures, stopped, until_second_end, whole

Hosted = Callable[..., HostedRun]
CALL, DONE = "<call>", "<|done|>"
CHANGES: dict[str, Any] = {"training__max_steps": 12, "lora__lora_dropout": 0.1}


def rows_with_tokens(path: Path) -> Path:
    return tiny.write_rows(path, [{"messages": tiny.pair(f"red {n}", f"arr {CALL}blue {n}{DONE}")} for n in range(40)])


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def base(request: pytest.FixtureRequest, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose head is its embeddings, and one whose head is its own."""
    return model if request.param else make_family("llama", tmp_path_factory.mktemp("untied") / "llama")


def changes(base: Path, data: Path) -> dict[str, Any]:
    named = {"model__name_or_path": str(base), "model__max_seq_length": 128, "model__dtype": "float32"}
    return {"data": data, **CHANGES, **named, "model__add_tokens": [CALL, DONE]}


def recipe_of(run: HostedRun, **other: Any) -> Recipe:
    document = RecipeDocument.load(run.run.recipe)
    for name, value in other.items():
        document.set(name.replace("__", "."), value)
    return document.recipe()


def by_plain_peft(base: Path, adapter: Path) -> tuple[Any, Any]:
    """Model and tokenizer, as the adapter's card says."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    card = (adapter / "README.md").read_text()
    assert "2 new tokens" in card
    rows = int(card.partition("resize_token_embeddings(")[2].partition(")")[0])
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    model = AutoModelForCausalLM.from_pretrained(base)
    model.resize_token_embeddings(rows)
    assert rows == len(tokenizer) == rows_needed(adapter)
    return PeftModel.from_pretrained(model, str(adapter)), tokenizer


def test_new_tokens_are_trained_and_known_wherever_the_run_goes(hosted: Hosted, base: Path, tmp_path: Path) -> None:
    run = whole(hosted, changes(base, rows_with_tokens(tmp_path / "rows.jsonl")))
    (said,) = (event.text for event in run.all(LogWritten) if "new token" in event.text)
    assert said == (
        f"2 new tokens: {CALL}, {DONE}. Their rows of the embeddings and of the head are trained and saved with the "
        "adapter."
    )
    run.until_phase("ready")
    adapter = run.run.adapter
    indices = json.loads((adapter / "adapter_config.json").read_text())["trainable_token_indices"]
    assert set(indices) == ({"embed_tokens", "lm_head"} if base.name == "llama" else {"embed_tokens"})
    weights = load_file(adapter / "adapter_model.safetensors")
    rows = [weight for name, weight in weights.items() if "lora_" not in name]
    assert [len(one) for one in rows] == [2] * len(indices), "the two rows of each, and no whole matrix"

    model, tokenizer = by_plain_peft(base, adapter)
    assert tokenizer(CALL, add_special_tokens=False)["input_ids"] == indices["embed_tokens"][:1]
    text = f"red {CALL}blue{DONE}"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
    want = tiny.logits(model, tokenizer)
    for add_tokens in ([CALL, DONE], []):  # as the run is chatted with, and a folder of which no recipe is known
        loaded = load_for_chat(recipe_of(run, model__add_tokens=add_tokens), adapter, lambda _: None)
        assert torch.equal(tiny.logits(loaded.model, loaded.tokenizer), want)
        with loaded.model.disable_adapter():
            bare = tiny.logits(loaded.model, loaded.tokenizer)
        assert torch.allclose(bare[..., :-2], of_base(base), atol=1e-5), "the base answers as it does without them"
        assert (bare[..., -2:] < bare.max(-1, keepdim=True).values).all(), "and never says them"

    ended = export(run.run, "merged-16bit")
    assert ended.reason == ""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    merged = AutoModelForCausalLM.from_pretrained(ended.path, dtype=torch.float32)
    assert merged.config.vocab_size == merged.get_input_embeddings().weight.shape[0] == len(tokenizer)
    got = tiny.logits(merged, AutoTokenizer.from_pretrained(ended.path))
    assert (got - want).norm() < 0.02 * want.norm(), "merged in 16 bits"
    assert export(run.run, "adapter").reason == ""


def of_base(base: Path) -> Any:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return tiny.logits(AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base))


def test_a_run_with_new_tokens_is_gone_on_with_exactly(hosted: Hosted, base: Path, tmp_path: Path) -> None:
    wanted = changes(base, rows_with_tokens(tmp_path / "rows.jsonl"))
    undisturbed = whole(hosted, wanted)
    first = stopped(hosted, 4, **wanted)
    saved = first.run.checkpoints / f"checkpoint-{first.state.step}" / "adapter_model.safetensors"
    assert not any(name.endswith("embed_tokens.weight") for name in load_file(saved))
    again = hosted(resumed=first.run, **wanted)
    until_second_end(again)
    assert figures(again) == figures(undisturbed)


def test_the_data_screen_has_them_as_single_tokens(hosted: Hosted, model: Path, tmp_path: Path) -> None:
    data = rows_with_tokens(tmp_path / "rows.jsonl")
    text = tiny.recipe_text(model, data, model__name_or_path=str(model), model__add_tokens=[CALL, DONE])
    report = data_report(RecipeDocument.parse(text, "mine").recipe(), "mine", has_gpu=False)
    trained = [token.text for token in report.samples[0].tokens if token.trained]
    assert trained.count(CALL) == trained.count(DONE) == 1


def test_tokens_that_the_model_has_are_trained_as_they_are(hosted: Hosted, model: Path, tmp_path: Path) -> None:
    """And a base with room for more rows keeps them; full training has nothing to save beside."""
    wanted = changes(model, rows_with_tokens(tmp_path / "rows.jsonl")) | {"model__add_tokens": ["<think>"]}
    run = whole(hosted, wanted)
    (said,) = (event.text for event in run.all(LogWritten) if "<think>" in event.text)
    assert said.startswith("<think> is a token of the model already. Its rows of")
    assert "resize" not in (run.run.adapter / "README.md").read_text()
    asked = json.loads(tiny.recipe_text(model, wanted["data"], backend="transformers", training__max_steps=2))
    asked["model"]["add_tokens"] = [CALL]
    full = whole(hosted, {"text": json.dumps(asked | {"finetuning_type": "full"})})
    assert any(event.text.endswith("Every weight is trained, theirs too.") for event in full.all(LogWritten))
    loaded = load_for_chat(recipe_of(full), full.run.model, lambda _: None)
    assert loaded.tokenizer.decode(loaded.tokenizer(CALL, add_special_tokens=False)["input_ids"][:1]) == CALL
