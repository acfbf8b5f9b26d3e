"""Said before anything is loaded: what cannot work on this machine, and what this version does not do yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from cockpit.data.inputs import Inputs
from cockpit.machine.gpu import GpuReport
from cockpit.preflight.adapter import of_adapter
from cockpit.preflight.data import of_data, of_tokenizer
from cockpit.preflight.machine import of_machine
from cockpit.preflight.model import of_model, of_place
from cockpit.preflight.output import of_output
from cockpit.preflight.rewards import of_rewards
from cockpit.preflight.schedule import of_schedule
from cockpit.recipe.field_path import as_listed, dotted
from cockpit.recipe.problem import Problem
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schema import find_place, leaves
from cockpit.recipe.section import Conflict, Section
from cockpit.recipe.unsupported import UNSUPPORTED, is_unsupported
from cockpit.recipe.validation import scalar_shown, shown

LineOf = Callable[[str], int | None]
"""The line of the recipe's file at which a field stands; None where it is not in the file."""


def preflight(
    recipe: Recipe,
    report: GpuReport,
    file: str,
    line_of: LineOf = lambda _: None,
    inputs: Inputs | None = None,
    *,
    resumes: bool = False,
) -> list[Problem]:
    """What stands in the way of this recipe on this machine, in this version; empty where nothing does.

    Looks at the disk and at `report`, never at a network; a data file is read once for as long as it does not change.
    `line_of` gives problems their lines: RecipeDocument.line. `inputs` are those of the recipe, where they are known.
    `resumes`: the run has a checkpoint, so that the adapter that it began with is needed no more.
    """
    inputs = inputs or Inputs.of(recipe)
    checks = (
        _unsupported(recipe),
        _unrewarded(recipe),
        of_machine(recipe, report, inputs),
        of_model(recipe, inputs),
        () if resumes else of_adapter(recipe),
        of_tokenizer(recipe, inputs),
        of_data(recipe, inputs),
        of_rewards(recipe, inputs),
        of_schedule(recipe, inputs),
        of_output(recipe),
    )
    return _problems(chain.from_iterable(checks), file, line_of)


def preflight_of_data(recipe: Recipe, file: str, line_of: LineOf = lambda _: None) -> list[Problem]:
    """As `preflight`, of the data and the tokenizer alone."""
    inputs = Inputs.of(recipe)
    checks = chain(of_place(recipe, inputs), of_adapter(recipe), of_tokenizer(recipe, inputs), of_data(recipe, inputs))
    return _problems(checks, file, line_of)


def _problems(found: Iterable[Conflict], file: str, line_of: LineOf) -> list[Problem]:
    return [Problem(file, line_of(one.field), one.field, one.wrong, one.right) for one in found]


def _unsupported(recipe: Recipe) -> Iterator[Conflict]:
    """Fields with a value that this version's engine would not follow."""
    for path, value in leaves(recipe):
        place = find_place(path)
        if place is None or not is_unsupported(path) or place.required or value == place.default:
            continue
        default = "leave it empty" if place.default in (None, []) else f"give {scalar_shown(place.default)}"
        instead = UNSUPPORTED.get(dotted(as_listed(path)))
        right = f"{default}, and {instead}" if instead else default
        yield Conflict(dotted(path), f"a run of this version cannot do {_word(value)}", right)


def _unrewarded(recipe: Recipe) -> Iterator[Conflict]:
    """Of a run from elsewhere whose rewards were all code: they are off, and nothing is learnt without them."""
    if recipe.method == "grpo" and not recipe.grpo.rewards:
        wrong = "all rewards are functions of the run's author, which are off"
        yield Conflict("grpo.rewards", wrong, "allow them with --trust-remote-code, or give others")


def _word(value: Any) -> str:
    if isinstance(value, bool | list | Section):
        return "this"
    return value if isinstance(value, str) and re.fullmatch(r"[\w.-]{1,30}", value) else shown(value)
