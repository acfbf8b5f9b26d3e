"""Imports that the first frame does not need, one after the other between frames, so that no key waits for all."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Sequence

MODULES = (
    "typing_extensions",
    "msgspec",
    "cockpit.protocol.events",
    "psutil",
    "secrets",
    "annotated_types",
    "pydantic_core",
    "pydantic",
    "pydantic.config",
    "pydantic._internal._fields",
    "pydantic._internal._validators",
    "pydantic._internal._core_utils",
    "pydantic._internal._decorators",
    "pydantic._internal._mock_val_ser",
    "pydantic.json_schema",
    "pydantic.types",
    "pydantic._internal._generate_schema",
    "pydantic.main",
    "pydantic.fields",
    "ruamel.yaml",
    "cockpit.recipe.section",
    "cockpit.recipe.model",
    "cockpit.recipe.lora",
    "cockpit.recipe.training",
    "cockpit.recipe.data",
    "cockpit.recipe.chat",
    "cockpit.recipe.recipe",
    "cockpit.recipe.document",
    "cockpit.recipe.fields",
    "cockpit.recipe.schedule",
    "cockpit.preflight.checks",
    "cockpit.launch.engines",
    "cockpit.ui.widgets.schedule_chart",
    "cockpit.ui.widgets.recipe_form",
    "cockpit.ui.screens.editor",
    "cockpit.ui.runs.session",
    "cockpit.ui.widgets.loss_chart",
    "cockpit.ui.screens.live",
    "cockpit.ui.runs.standby",
    "cockpit.ui.runs.chat_engine",
    "textual.widgets._text_area",
    "cockpit.ui.widgets.markdown_text",
    "cockpit.ui.widgets.chat_log",
    "cockpit.ui.screens.chat",
)
"""In the order of their dependence, none of them long by itself."""


WATCHING = (
    *MODULES[: MODULES.index("cockpit.recipe.document") + 1],
    "cockpit.recipe.learning_rates",
    "cockpit.ui.runs.session",
    "cockpit.ui.widgets.loss_chart",
    "cockpit.ui.screens.live",
)


async def import_for_watching() -> None:
    """Import what reading a run and its recipe takes."""
    await _import(WATCHING)


async def import_for_editing() -> None:
    """Import what reading and editing recipes takes."""
    await _import(MODULES)


async def _import(modules: Sequence[str]) -> None:
    for module in modules:
        # What another version has no longer under this name is imported later, by whoever needs it.
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
        await asyncio.sleep(0)
