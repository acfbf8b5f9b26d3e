"""Scripts that learn by rewards: GRPO's settings, and the functions by their names."""

from pathlib import Path

import pytest

from cockpit.recipe.problem import RecipeError
from tests.importing.made import comments, imported, lost, recipe_of

GRPO = """
from datasets import load_dataset
from trl import GRPOConfig, GRPOTrainer
from unsloth import FastLanguageModel

model, tokenizer = FastLanguageModel.from_pretrained("owner/model", max_seq_length=1024, fast_inference=True)

def formatted(completions, **kwargs):
    return [1.0 for one in completions]

def right(prompts, completions, answer, **kwargs):
    return [2.0 for one in completions]

settings = GRPOConfig(num_generations=4, max_prompt_length=256, max_completion_length=512, temperature=0.9, top_k=-1,
                      beta=0.01, epsilon_high=0.28, loss_type="dr_grpo", scale_rewards=False, num_iterations=2,
                      per_device_train_batch_size=1, gradient_accumulation_steps=1, REWARD_WEIGHTS max_steps=100)
trainer = GRPOTrainer(model=model, processing_class=tokenizer, reward_funcs=FUNCTIONS, args=settings,
                      train_dataset=load_dataset("owner/sums", split="train"))
"""


def script(functions: str, weights: str = "") -> str:
    return GRPO.replace("FUNCTIONS", functions).replace("REWARD_WEIGHTS", weights)


def test_rewards_are_functions_to_be_put_elsewhere(tmp_path: Path) -> None:
    made = imported(tmp_path, "sums.py", script("[formatted, right]", "reward_weights=[0.5, 1.5],"))
    recipe = recipe_of(made)
    assert recipe.method == "grpo"
    assert [(one.function, one.weight) for one in recipe.grpo.rewards] == [
        ("rewards:formatted", 0.5),
        ("rewards:right", 1.5),
    ]
    assert recipe.grpo.model_dump(exclude={"rewards"}, exclude_defaults=True) == {
        "num_generations": 4,
        "max_completion_length": 512,
        "temperature": 0.9,
        "beta": 0.01,
        "epsilon_high": 0.28,
        "loss_type": "dr_grpo",
        "scale_rewards": "none",
        "num_iterations": 2,
    }
    assert recipe.training.per_device_train_batch_size == 4  # Unsloth takes as many as there are generations
    assert lost(made) == {
        "GRPOTrainer(reward_funcs)": "put formatted, right into rewards.py: grpo.rewards looks for them there"
    }
    assert "GRPOConfig(max_prompt_length)" in comments(made)


def test_a_reward_without_a_name(tmp_path: Path) -> None:
    made = imported(tmp_path, "sums.py", script("[right, lambda completions: [0.0]]"))
    assert [one.function for one in recipe_of(made).grpo.rewards] == ["rewards:right"]
    (why,) = lost(made).values()
    assert why.endswith("rewards are Python functions with a name")
    with pytest.raises(RecipeError, match=r"grpo.rewards: nothing is rewarded; give one at least"):
        imported(tmp_path, "none.py", script("[]"))


def test_one_function_alone(tmp_path: Path) -> None:
    made = imported(tmp_path, "sums.py", script("right"))
    assert [one.function for one in recipe_of(made).grpo.rewards] == ["rewards:right"]
