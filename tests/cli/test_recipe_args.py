"""The recipe that a command line asks for: at which option a problem is laid."""

from pathlib import Path

import pytest

from cockpit.cli.recipe_args import blamed
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


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("rows.csv:3: this is no complete row", "--data: /there/rows.csv:3: this is no complete row"),
        ("rows.csv has no rows", "--data: /there/rows.csv has no rows"),
        ("there is no such file: /there/rows.csv", "--data: there is no such file: /there/rows.csv"),
        ("it cannot be read", "--data: /there/rows.csv: it cannot be read"),
        ("rows.csvs are many", "--data: /there/rows.csv: rows.csvs are many"),
    ],
)
def test_a_bad_file_is_named_once_with_its_folder(wrong: str, said: str) -> None:
    problem = Problem("demo.yaml", 19, "data.sources.0.name_or_path", wrong, "")
    assert str(blamed(problem, Path("/there/rows.csv"), None, [])) == said
