"""The private names that are leant on are there in the installed versions; else a sentence says what for."""

from __future__ import annotations

from importlib import import_module, metadata
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path

import pytest

from cockpit.engine.compat.private_names import LEANT_ON, READ_BY_UNSLOTH
from cockpit.engine.compat.unsloth_templates import named_templates
from cockpit.models.template_names import template_names


@pytest.mark.parametrize("place", LEANT_ON)
def test_a_private_name_is_there(place: str) -> None:
    module, _, name = place.partition(":")
    package = module.partition(".")[0]
    try:
        attrgetter(name)(import_module(module))
    except (ImportError, AttributeError):
        pytest.fail(f"{package} {metadata.version(package)} has no {place}, so that {LEANT_ON[place]}: see compat.")


def test_a_schedule_keeps_its_rates_where_they_are_set() -> None:
    import torch
    from torch.optim.lr_scheduler import LambdaLR

    from cockpit.engine.compat.private_names import set_learning_rate

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = LambdaLR(optimizer, lambda step: 1 / (1 + step))
    set_learning_rate(optimizer, scheduler, 0.5, "share")
    assert scheduler.get_last_lr() == [0.5]
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.25, "torch's schedules take their rates from elsewhere: see compat."


def test_a_models_name_is_where_it_is_looked_for() -> None:
    from transformers import PretrainedConfig

    config = PretrainedConfig(name_or_path="here")
    assert config._name_or_path == "here", "transformers keeps a model's name elsewhere: see compat.renamed."


@pytest.mark.parametrize("name", READ_BY_UNSLOTH)
def test_unsloth_still_looks_for(name: str) -> None:
    spec = find_spec("unsloth")
    assert spec is not None and spec.submodule_search_locations
    files = Path(spec.submodule_search_locations[0]).rglob("*.py")
    found = any(name in file.read_text(encoding="utf-8") for file in files)
    version = metadata.version("unsloth")
    assert found, f"unsloth {version} does not look for {name}, so that {READ_BY_UNSLOTH[name]}: see compat."


def test_the_names_of_templates_are_those_of_the_installed_unsloth() -> None:
    named = tuple(named_templates())
    assert named == template_names(), "write them anew: python -m cockpit.engine.compat.unsloth_templates"


def test_heads_that_share_keys_are_attended_to_as_torch_does() -> None:
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    from cockpit.engine.compat.varlen import with_heads_repeated

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
        """To [tokens, heads, size], without groups of heads, as torch 2.11 has it."""
        query, key, value = (one.transpose(0, 1) for one in (query, key, value))
        return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale).transpose(0, 1)

    query, key, value = torch.randn(5, 6, 8), torch.randn(5, 2, 8), torch.randn(5, 2, 8)
    turned = [one.transpose(0, 1)[None] for one in (query, key, value)]
    rows = scaled_dot_product_attention(turned[0], turned[1], turned[2], is_causal=True, scale=0.3, enable_gqa=True)
    expected = rows[0].transpose(0, 1)
    given = with_heads_repeated(attend, query, key, value, enable_gqa=True, scale=0.3)
    torch.testing.assert_close(given, expected)
