"""What is settled before the stack is imported"""

from __future__ import annotations

import os
import platform
from types import SimpleNamespace

import pytest
import torch

from cockpit.engine import stack
from cockpit.engine.errors import RunFailure
from cockpit.engine.stack import check_gpu, expand_segments

NAMES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")


@pytest.mark.parametrize(
    ("machine", "kernel", "by_user", "expected"),
    [
        ("x86_64", "6.8.0-generic", {}, dict.fromkeys(NAMES, "expandable_segments:True")),
        ("x86_64", "6.8.0-generic", {NAMES[1]: "max_split_size_mb:64"}, {NAMES[1]: "max_split_size_mb:64"}),
        ("x86_64", "5.15.167.4-microsoft-standard-WSL2", {}, {}),
        ("aarch64", "5.15.148-tegra", {}, {}),
    ],
)
def test_blocks_of_memory_grow_on_servers_unless_the_user_has_settings(
    monkeypatch: pytest.MonkeyPatch, machine: str, kernel: str, by_user: dict[str, str], expected: dict[str, str]
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "release", lambda: kernel)
    environment = {name: value for name, value in os.environ.items() if name not in NAMES} | by_user
    monkeypatch.setattr(os, "environ", environment)
    expand_segments()
    assert {name: environment[name] for name in NAMES if name in environment} == expected


@pytest.mark.parametrize("named", ["0", "GPU-5a1f", "0,1"])
def test_a_gpu_that_is_named_where_there_is_no_driver_is_the_cpu(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(stack, "Nvml", lambda: SimpleNamespace(absent=True))
    check_gpu()
    monkeypatch.setattr(stack, "Nvml", lambda: SimpleNamespace(absent=False))
    with pytest.raises(RunFailure, match=f"There is an NVIDIA driver, and torch cannot use the GPU {named}"):
        check_gpu()


def test_compiled_code_is_kept_where_the_starter_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/kept")

    def forget(module: str) -> None:
        del os.environ["TORCHINDUCTOR_CACHE_DIR"]  # as Unsloth does while it is imported

    monkeypatch.setattr(stack, "import_module", forget)
    stack.import_unsloth()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/kept"
