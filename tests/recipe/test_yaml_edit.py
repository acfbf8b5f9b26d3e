"""What changing text in place keeps, and ruamel's own round trip does not: while that is so, with_value is needed."""

import io
from typing import Any

import pytest
from ruamel.yaml import YAML

from cockpit.recipe.yaml_edit import with_value

ADDED = "training:\n  max_steps: 10  # steps\n\n# The adapter\nlora:\n  r: 1\n"
REPLACED = "lora:\n  target_modules:\n    - q_proj\n  # The rank\n  r: 1\n"


def round_trip(text: str, section: str, key: str, value: object) -> str:
    yaml = YAML()
    yaml.preserve_quotes = True
    content: Any = yaml.load(text)
    content[section][key] = value
    out = io.StringIO()
    yaml.dump(content, out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("text", "section", "key", "value", "expected"),
    [
        (ADDED, "training", "seed", 1, ADDED.replace("# steps\n", "# steps\n  seed: 1\n")),
        (REPLACED, "lora", "target_modules", ["v_proj"], REPLACED.replace("q_proj", "v_proj")),
        ("lora:\n    r:      16   # rank\n    lora_alpha: 8\n", "lora", "r", 4, None),
        ("---\nlora:\n  target_modules: [ q_proj,k_proj ]\n  r: 16\n", "lora", "r", 4, None),
    ],
    ids=["a comment of the next section", "a comment behind a list", "columns and indentation", "brackets and ---"],
)
def test_what_only_an_edit_in_place_keeps(text: str, section: str, key: str, value: Any, expected: str | None) -> None:
    expected = text.replace("16", str(value)) if expected is None else expected
    assert with_value(text, (section, key), value, lambda _: []) == expected
    assert round_trip(text, section, key, value) != expected
