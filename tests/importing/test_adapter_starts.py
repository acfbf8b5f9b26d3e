"""How an adapter begins is carried over from each tool that says it, or named as not carried over."""

from pathlib import Path

import pytest

from tests.importing.made import imported, lost, recipe_of

FACTORY = "model_name_or_path: o/m\nstage: sft\ndo_train: true\nfinetuning_type: lora\ndataset: d\n"
AXOLOTL = "base_model: o/m\nadapter: lora\ndatasets: [{path: o/d, type: chat_template}]\n"
SWIFT = "swift sft --model o/m --dataset o/d --train_type lora "


@pytest.mark.parametrize(
    ("name", "text", "init"),
    [
        ("factory.yaml", FACTORY + "pissa_init: true\npissa_iter: 16\npissa_convert: true\n", "pissa_niter_16"),
        ("axolotl.yml", AXOLOTL + "peft_init_lora_weights: olora\n", "olora"),
        ("swift.sh", SWIFT + "--init_weights pissa\n", "pissa"),
        ("swift-usual.sh", SWIFT + "--init_weights true\n", "default"),
    ],
)
def test_it_is_carried_over(tmp_path: Path, name: str, text: str, init: str) -> None:
    found = imported(tmp_path, name, text)
    assert recipe_of(found).lora.init == init
    assert not {one for one in lost(found) if "init" in one or "pissa" in one}


def test_another_one_is_named(tmp_path: Path) -> None:
    found = imported(tmp_path, "axolotl.yml", AXOLOTL + "peft_init_lora_weights: eva\n")
    assert "peft_init_lora_weights" in str(lost(found))
