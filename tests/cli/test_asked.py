"""The recipe that a command line asks for: at which option a problem is laid."""

import pytest

from cockpit.cli.asked import blamed
from cockpit.recipe.problem import Problem


@pytest.mark.parametrize(
    ("setting", "file"),
    [
        ("lora.loftq_config=x", "--set"),
        ("lora.loftq_config.loftq_bits=4", "--set"),
        ("lora.loftq_configs=4", "demo.yaml"),
        ("lora.r=4", "demo.yaml"),
    ],
)
def test_a_problem_is_laid_at_the_setting_of_its_field_or_of_a_part_of_it(setting: str, file: str) -> None:
    problem = Problem("demo.yaml", 19, "lora.loftq_config", "it needs a GPU", "leave it empty")
    found = blamed(problem, None, None, [setting])
    assert found.file == file
    assert (found.line is None) == (file == "--set")
