"""What the app's process imports, seen in a fresh process: a static graph does not see deferred imports."""

import functools
import importlib.util
import json
import subprocess
import sys

import pytest

from cockpit.ui.preload import MODULES

IMPORT_ALL = """
import importlib, json, pkgutil, sys
import cockpit.ui
names = [module.name for module in pkgutil.walk_packages(cockpit.ui.__path__, "cockpit.ui.")]
for name in names:
    importlib.import_module(name)
import cockpit.launch.engines, cockpit.preflight.checks, cockpit.recipe.schedule, cockpit.data.files
import cockpit.models.hub_cache
import cockpit.recipe.library, cockpit.recipe.document, cockpit.recipe.fields, cockpit.runs.summary
print(json.dumps([names, sorted(sys.modules)]))
"""
IMPORT_APP = "import json, sys; import cockpit.ui.app; print(json.dumps([[], sorted(sys.modules)]))"


@functools.cache
def imported(program: str) -> tuple[list[str], set[str]]:
    """The ui's modules, and the root packages in sys.modules, after `program` ran in a process of its own."""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names, modules = json.loads(result.stdout)
    return names, {module.partition(".")[0] for module in modules}


def test_the_app_never_imports_the_training_stack() -> None:
    names, roots = imported(IMPORT_ALL)
    assert {"cockpit.ui.app", "cockpit.ui.screens.editor", "cockpit.ui.widgets.recipe_form"} <= set(names)
    assert not roots & {"torch", "transformers", "unsloth", "trl", "peft", "datasets", "bitsandbytes", "accelerate"}


@pytest.mark.parametrize("heavy", ["pydantic", "ruamel", "msgspec", "numpy", "psutil"])
def test_the_first_frame_needs_no_heavy_import(heavy: str) -> None:
    _, roots = imported(IMPORT_APP)
    assert "textual" in roots
    assert heavy not in roots


def test_what_is_imported_ahead_is_there() -> None:
    missing = [module for module in MODULES if importlib.util.find_spec(module) is None]
    assert missing == []
