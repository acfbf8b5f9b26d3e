"""RecipeDocument under random changes and random damage, the same on every run."""

import random
import unicodedata

import pytest

from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.problem import RecipeError
from cockpit.recipe.schema import all_places
from tests.recipe.sample import SAMPLE

LAYOUTS = (
    SAMPLE,
    SAMPLE.rstrip("\n"),
    f"---\n{SAMPLE}...\n",
    "{schema: 1, method: sft, about: {title: T, description: D, needs: CPU, duration: x},"
    " model: {name_or_path: m}, data: {sources: [{name_or_path: d, max_rows: }]}, training: {}}",
    """\
# head

about: {title: T, description: "d d", needs: CPU,
  duration: 1 min}
schema: 1
method: sft
model:
    name_or_path: m # kept
    # kept too

    revision:   # empty
data:
    sources:
    -   name_or_path: d # source
        columns: {}
    # after sources
    seed: 3
lora:
    target_modules:
    # first
    - q_proj # q
    - v_proj

    # end of list
    r: 8 # rank
samples:
    prompts:
    - >-
      folded
      text
    - |
      block

      more

    # after block
    every_steps: 3
chat:
    presets:
    - name: a
    -   name: b
        top_k: 3
    trial_prompt: |
        hello
        # no comment

# the end""",
)
TEXTS = (
    "x y",
    'it\'s: #a "q" \\ é',
    "a\nb\n",
    "a\n\n  b",
    "<start>\n",
    "null",
    "12",
    "yes",
    "🎉 [x], {y}",
    "a,b",
    "- a",
    "1:30",
)


@pytest.mark.parametrize("seed", range(80))
def test_random_changes_survive_in_the_text(seed: int) -> None:
    """Whatever is changed, in whatever layout: the text read again holds the values, and the comments beside them."""
    chance = random.Random(seed)
    layout = chance.choice(LAYOUTS)
    document = RecipeDocument.parse(layout, "x")
    for _ in range(chance.randint(1, 6)):
        field, value = _random_change(chance)
        try:
            document.set(field, value)
        except RecipeError:
            continue
    again = RecipeDocument.parse(document.to_yaml(), "x")
    fields = [".".join(map(str, place.path)) for place in all_places()]
    assert [again.value(field) for field in fields] == [document.value(field) for field in fields]
    for comment in ("# rank", "# kept", "# kept too", "# The adapter.", "# head", "# the end", "# end of list"):
        assert (comment in layout) == (comment in document.to_yaml()), comment


def _random_change(chance: random.Random) -> tuple[str, object]:
    place = chance.choice(all_places())
    kind, field = place.type, ".".join(map(str, place.path))
    if kind.optional and chance.random() < 0.25:
        return field, None
    if kind.kind == "list":
        choices = kind.item.choices if kind.item and kind.item.choices else TEXTS
        return field, [chance.choice(choices) for _ in range(chance.randint(0, 3))]
    if kind.kind == "mapping" and kind.item is not None:
        held = kind.item.choices or (*TEXTS, None, 1.5, ["a", None], {"b": {"c": True}})
        return field, {chance.choice(TEXTS): chance.choice(held) for _ in range(chance.randint(0, 3))}
    if kind.kind == "section":
        return field, chance.choice([{}, {"loftq_bits": 8}])
    low, high = kind.minimum or 0, min(kind.maximum or 1, 1e6)
    values: dict[str, object] = {
        "choice": chance.choice(kind.choices or ("",)),
        "bool": chance.random() < 0.5,
        "int": chance.randint(int(low), int(high)),
        "float": chance.choice([low + 1e-5, (low + high) / 2]),
        "text": chance.choice(TEXTS),
    }
    return field, values[kind.kind]


SCRAPS = (
    *"{}[]:\t\n\"'|>?#,@`%~!&*",
    "- ", "  ", "&a ", "*a ", "!x ", "---\n", "...\n", "%YAML 1.1\n", "\x00", "\x1b[31m", "\ud800", "\u2028", "\x85",
    "null", "1e999", "0x", "<<: ", "9" * 400, ".nan", "true", "schema: 1\n", "\r", "\ufeff", "lora:\n", "- - - -",
    '"\\x', "|2\n",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(150))
def test_broken_text_is_refused_or_read(seed: int) -> None:
    """Random damage never raises anything but RecipeError, and its sentences are plain lines."""
    chance = random.Random(seed)
    text = SAMPLE
    for _ in range(chance.randint(1, 6)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice([0, 0, 1, 3, 20]))
        text = text[:start] + chance.choice(SCRAPS) * chance.choice([1, 1, 2, 30]) + text[end:]
    try:
        problems = RecipeDocument.parse(text, "x.yaml").problems()
    except RecipeError as error:
        problems = error.problems
        assert problems
    for problem in problems:
        assert problem.wrong
        assert not any(unicodedata.category(char) == "Cc" for char in str(problem)), problem
