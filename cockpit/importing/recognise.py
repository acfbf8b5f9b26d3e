"""Which tool's file it is, told by its name and what stands in it"""

from __future__ import annotations

from pathlib import Path

from cockpit.importing.axolotl import from_axolotl, is_axolotl
from cockpit.importing.ledger import Ledger
from cockpit.importing.llama_factory import from_llama_factory, is_llama_factory
from cockpit.importing.program import Program
from cockpit.importing.python_source import notebook_tree, script_tree
from cockpit.importing.script import from_program
from cockpit.importing.settings import Setting, Settings, read_file, read_json, read_yaml, refused

KNOWN = (
    "give an Unsloth notebook or script, or the configuration of Unsloth's command line, LLaMA-Factory, Axolotl, "
    "torchtune, ms-swift or a PEFT adapter"
)


def ledger_of(path: Path, file: str) -> Ledger:
    """What becomes of the settings of the file, which errors call `file`. Raises RecipeError."""
    text = read_file(path, file)
    if path.suffix == ".ipynb":
        return from_program(Program(notebook_tree(text, file)), file)
    if path.suffix == ".py":
        return from_program(Program(script_tree(text, file)), file)
    if path.suffix == ".json":
        found = read_json(text, file)
        if not isinstance(found, dict):
            raise refused(file, 1, "", "it holds no settings", KNOWN)
        settings = Settings(file, [Setting(str(name), value) for name, value in found.items()])
    else:
        settings = Settings(file, read_yaml(text, file))
    return _of_settings(settings, path)


def _of_settings(settings: Settings, path: Path) -> Ledger:
    if is_llama_factory(settings):
        return from_llama_factory(settings, path)
    if is_axolotl(settings):
        return from_axolotl(settings)
    raise refused(settings.file, None, "", "it is not known whose configuration this is", KNOWN)
