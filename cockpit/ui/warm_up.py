"""Imports that the first frame does not need, one after the other between frames, so that no key waits for all."""

from __future__ import annotations

import asyncio
import importlib

MODULES = (
    "typing_extensions",
    "msgspec",
    "cockpit.events",
    "psutil",
    "annotated_types",
    "pydantic_core",
    "pydantic",
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
    "cockpit.forecast",
    "cockpit.preflight",
    "cockpit.links",
    "cockpit.ui.screens.editor",
    "cockpit.ui.session",
    "cockpit.ui.screens.live",
)
"""In the order of their dependence, none of them long by itself."""


async def import_for_editing() -> None:
    """Import what reading and editing recipes takes."""
    for module in MODULES:
        importlib.import_module(module)
        await asyncio.sleep(0)
