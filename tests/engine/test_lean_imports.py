"""What importing the stack leaves out, and that it is there again afterwards."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

from cockpit.engine.compat.lean_imports import compiling_put_off, unseen_by_transformers
from tests.engine.warm_stack import WarmStack


def _what_is_there() -> dict[str, bool]:
    import torch

    return {
        "scipy": "scipy" in sys.modules,
        "scipy can be imported": find_spec("scipy") is not None,
        "the compiler": "torch._inductor.compile_fx" in sys.modules,
        "torch.compile is torch's": torch.compile.__module__ == "torch",
    }


@pytest.mark.parametrize("stack", ["plain_stack", "unsloth_stack"])
def test_the_stack_comes_without_scipy_and_the_compiler(stack: str, request: pytest.FixtureRequest) -> None:
    warm: WarmStack = request.getfixturevalue(stack)
    assert warm.call(_what_is_there) == {
        "scipy": False,
        "scipy can be imported": True,
        "the compiler": False,
        "torch.compile is torch's": True,
    }


def test_what_is_left_out_is_there_for_others_than_transformers() -> None:
    # A package of the user's that needs scipy can be imported beside transformers: with sklearn there, and scipy hidden
    # from all, transformers itself could not.
    asked = "import importlib.util\nfound = importlib.util.find_spec('scipy') is not None"
    by_transformers: dict[str, object] = {"__name__": "transformers.utils.import_utils"}
    by_another: dict[str, object] = {"__name__": "transformers_plus"}
    with unseen_by_transformers():
        exec(asked, by_transformers)
        exec(asked, by_another)
        exec("import scipy.sparse", {"__name__": "sklearn"})
    assert (by_transformers["found"], by_another["found"]) == (False, True)
    exec(asked, by_transformers)
    assert by_transformers["found"] is True


def test_a_function_is_compiled_when_it_is_first_called(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    compiled: list[tuple[str, dict[str, object]]] = []

    def compile_now(function: object, **options: object) -> object:
        compiled.append((getattr(function, "__name__", "a module"), options))
        return function

    monkeypatch.setattr(torch, "compile", compile_now)
    with compiling_put_off():
        doubled = torch.compile(_doubled, dynamic=False)
        module = torch.nn.Identity()
        assert torch.compile(module) is module
    assert compiled == [("a module", {})]
    assert torch.compile is compile_now
    assert (doubled(2), doubled(3)) == (4, 6)
    assert compiled[1:] == [("_doubled", {"dynamic": False})]


def _doubled(number: int) -> int:
    return 2 * number
