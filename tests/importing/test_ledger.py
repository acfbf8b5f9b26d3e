"""Fields that cannot stand together: which are taken back, which are refused, and what is said of the others."""

import pytest

from cockpit.importing.ledger import Ledger
from cockpit.importing.settings import Setting
from cockpit.recipe.problem import RecipeError

LAYERS = Setting("layers", ["q_proj", "lm_head"], 7)


def ledger(**fields: object) -> Ledger:
    made = Ledger("a.yaml", "Axolotl")
    about = {"title": "t", "description": "d", "needs": "n", "duration": "d"}
    made.values.update({"schema": 1, "about": about, "method": "sft"})
    for name, value in {"model.name_or_path": "o/m", "data.sources.0.name_or_path": "o/rows", **fields}.items():
        assert made.put(Setting(f"its {name}", value, 3), name)
    return made


def test_what_the_file_leaves_out_takes_nothing_with_it() -> None:
    made = ledger(**{"method": "dpo", "dpo.beta": 0.3, "dpo.loss_type": "exo_pair"})
    with pytest.raises(RecipeError) as refused:
        made.settle()
    assert str(refused.value) == "a.yaml: dpo.label_smoothing: exo_pair needs more than 0; give 0.001"
    assert (made.value("dpo.beta"), made.of("lost")) == (0.3, [])


def test_another_field_may_be_the_one_to_take_back() -> None:
    """No reward is given, which nothing mends; the other fault is mended before that is said."""
    made = ledger(**{"method": "grpo", "grpo.num_generations": 5, "grpo.temperature": 0.7, "lora.use_dora": True})
    with pytest.raises(RecipeError) as refused:
        made.settle()
    assert [problem.field for problem in refused.value.problems] == ["grpo.rewards"]
    assert [one.setting.name for one in made.of("lost")] == ["its grpo.num_generations"]
    assert made.value("grpo.temperature") == 0.7


def test_a_part_of_a_value_takes_the_value_back() -> None:
    made = ledger(method="dpo")
    made.put(LAYERS, "lora.target_modules")
    recipe = made.settle()
    (lost,) = made.of("lost")
    assert (lost.setting, made.value("lora.target_modules")) == (LAYERS, None)
    assert lost.why.startswith("lora.target_modules.1: dpo multiplies by the head itself")
    assert (recipe.method, recipe.lora.target_modules != LAYERS.value) == ("dpo", True)


def test_what_stood_in_a_field_that_is_taken_back_is_lost_with_it() -> None:
    """A setting that has set two fields stays a field by the other one."""
    made = ledger(**{"lora.use_dora": True})
    made.put(Setting("bits", 4, 8), "lora.loftq_config.loftq_bits")
    both = Setting("both", 2, 9)
    made.put(both, "lora.loftq_config.loftq_iter")
    made.put(both, "training.seed", 2)
    made.settle()
    assert made.value("lora.loftq_config") is None
    assert [one.setting.name for one in made.of("lost")] == ["bits"]
    assert next(one for one in made.of("field") if one.setting == both).fields == ["training.seed"]
