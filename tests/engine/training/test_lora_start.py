"""lora.init: an adapter that begins with what peft's would, learns the same, and is right on the base as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from cockpit.engine.model.lora_start import begin_with_main_directions, hold_still
from cockpit.recipe.lora import Lora
from tests.engine import tiny
from tests.engine.training.resuming import Hosted, figures, stopped, until_second_end, whole

SHORT: dict[str, Any] = {
    "training__max_steps": 6,
    "data__eval_rows": 4,
    "training__eval_steps": 3,
    "lora__init": "pissa",
    "lora__r": 4,
}


def adapted(model: Path, rank: int, alpha: float, start: str | bool, *, rslora: bool = False) -> Any:
    """The base with peft's own adapter."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=["q_proj", "down_proj"], use_rslora=rslora,
                        init_lora_weights=start)  # fmt: skip
    return get_peft_model(base, config)


@pytest.mark.parametrize(("start", "rslora"), [("pissa", False), ("pissa", True), ("olora", False)])
def test_it_begins_at_the_base_and_learns_what_peft_s_learns(model: Path, start: Any, rslora: bool) -> None:
    theirs = adapted(model, 4, 6, start, rslora=rslora)
    ours = adapted(model, 8, 6 * (2**0.5 if rslora else 2), True, rslora=rslora)
    ids = torch.arange(1, 25)[None]
    with torch.no_grad(), ours.disable_adapter():
        base = ours(input_ids=ids).logits
    begin_with_main_directions(ours, Lora(r=4, lora_alpha=6, init=start))
    told = []
    for one in (theirs, ours):
        one.eval()
        torch.testing.assert_close(one(input_ids=ids).logits, base, atol=2e-5, rtol=0)
        trained = [weight for weight in one.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=0.01, weight_decay=0.1)
        if one is ours:
            hold_still(ours, optimizer)
        losses = []
        for _ in range(5):
            loss = one(input_ids=ids, labels=ids).loss
            loss.backward()
            losses.append(float(loss))
            optimizer.step()
            optimizer.zero_grad()
        told.append(losses)
    assert told[1] == pytest.approx(told[0], rel=2e-4)
    assert told[1][-1] < told[1][0] - 0.1
    with torch.no_grad(), ours.disable_adapter():
        torch.testing.assert_close(ours(input_ids=ids).logits, base, atol=0, rtol=0)


def test_layers_that_hold_their_weight_the_other_way_round_begin_with_its_directions_too() -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    base = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=32, n_layer=1, n_head=2, n_positions=16))
    config = LoraConfig(r=8, lora_alpha=8, target_modules=["c_attn", "c_proj"], fan_in_fan_out=True)
    model = get_peft_model(base, config)
    begin_with_main_directions(model, Lora(r=4, lora_alpha=4, init="pissa"))
    for name, layer in model.named_modules():
        if name.endswith(("c_attn", "c_proj")):
            left, values, right = torch.linalg.svd(layer.get_base_layer().weight.T)
            wanted = left[:, :4] * values[:4] @ right[:4]
            down, up = layer.lora_A["default"].weight[:4], layer.lora_B["default"].weight[:, :4]
            torch.testing.assert_close(up @ down * layer.scaling["default"], wanted, atol=1e-5, rtol=1e-5)


def test_what_is_saved_is_right_on_the_base_as_it_is_and_a_resumed_run_is_the_undisturbed_one(
    hosted: Hosted, model: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    undisturbed = whole(hosted, SHORT)
    first = stopped(hosted, 3, **SHORT)
    again = hosted(resumed=first.run, **SHORT)
    until_second_end(again)
    assert figures(again) == figures(undisturbed)

    saved = undisturbed.run.adapter
    config = json.loads((saved / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["init_lora_weights"]) == (8, 32, True)
    tokenizer = AutoTokenizer.from_pretrained(model)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    untouched = tiny.logits(base, tokenizer)
    tuned = PeftModel.from_pretrained(base, saved)
    apart = tiny.logits(tuned, tokenizer)
    assert (apart - untouched).abs().max() > 0.05, "it has learned something"
    torch.testing.assert_close(tiny.logits(tuned.merge_and_unload(), tokenizer), apart, atol=1e-4, rtol=0)


def test_dpo_compares_with_the_base_and_goes_on_to_the_bit(hosted: Hosted, tmp_path: Path) -> None:
    rows = [{"prompt": f"what is {one}", "chosen": "red one", "rejected": f"blue {one}"} for one in range(12)]
    pairs = tiny.write_rows(tmp_path / "pairs.jsonl", rows)
    changes = {**SHORT, "method": "dpo", "data": pairs, "data__eval_rows": 2}
    undisturbed = whole(hosted, changes)
    first = stopped(hosted, 3, **changes)
    again = hosted(resumed=first.run, **changes)
    until_second_end(again)
    assert figures(again) == figures(undisturbed)
    begun, *_, last = (one for _, one in figures(undisturbed))
    assert begun["rewards/margins"] == 0 < last["rewards/margins"]
    assert begun["loss"] == pytest.approx(0.6931, abs=1e-4), "log 2, as model and reference are the same"
    assert not list(undisturbed.run.checkpoints.glob("*/ref")), "the base is the reference, and needs no copy"
