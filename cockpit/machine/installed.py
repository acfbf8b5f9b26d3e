"""What installed packages say of themselves in modules that hold nothing but data: nothing else of them is imported"""

from __future__ import annotations

import functools
import importlib.util
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

STACK = (
    *(
        "accelerate",
        "bitsandbytes",
        "datasets",
        "datasketch",
        "numpy",
        "peft",
        "PIL",
        "pyarrow",
        "safetensors",
        "scipy",
    ),
    *("tokenizers", "torch", "transformers", "trl", "unsloth", "unsloth_zoo"),
)
"""What the extra `train` brings, as it is imported."""
NO_STACK = "The training stack is not installed here, so that nothing can be trained or asked"
INSTALL_STACK = "Install it with: pip install 'finetune-cockpit[train]', or use that of a server: cockpit ssh://HOST."


def is_stack_missing(error: BaseException) -> bool:
    """Whether an import has failed as the training stack is not installed."""
    return isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in STACK


@functools.cache
def torch_cuda() -> str | None:
    """The CUDA version that the installed torch is built for, empty for a build without; None where nobody can tell."""
    data = _data_module("torch", "version.py")
    return None if data is None or not hasattr(data, "cuda") else data.cuda or ""


@functools.cache
def torch_release() -> tuple[int, int]:
    """Of the installed torch, such as (2, 11); zeros where there is none."""
    try:
        found = re.match(r"(\d+)\.(\d+)", version("torch"))
    except PackageNotFoundError:
        found = None
    return (0, 0) if found is None else (int(found[1]), int(found[2]))


@functools.cache
def model_families() -> frozenset[str] | None:
    """Every `model_type` that the installed transformers knows; None where nobody can tell."""
    data = _data_module("transformers", "models/auto/auto_mappings.py")
    names = getattr(data, "CONFIG_MAPPING_NAMES", None)
    return frozenset(names) if names else None


def _data_module(package: str, file: str) -> ModuleType | None:
    """One file of a package, run by itself; None where there is none or where it needs more than itself."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / file
    spec = importlib.util.spec_from_file_location(f"{package}_data", path)
    if not path.is_file() or spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception:  # a version that keeps its data otherwise
        return None
    return module
