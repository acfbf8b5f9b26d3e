"""Which tool's file it is, told by its name and what stands in it"""

from __future__ import annotations

from pathlib import Path

from cockpit.importing.axolotl import from_axolotl, is_axolotl
from cockpit.importing.ledger import Ledger
from cockpit.importing.llama_factory import from_llama_factory, is_llama_factory
from cockpit.importing.llama_factory_v1 import from_second_form, is_second_form
from cockpit.importing.ms_swift import command_in, from_ms_swift, is_ms_swift
from cockpit.importing.peft_adapter import from_peft, is_peft
from cockpit.importing.program import Program
from cockpit.importing.python_source import notebook_tree, script_tree
from cockpit.importing.script import from_program
from cockpit.importing.settings import Setting, Settings, flattened, read_file, read_json, read_yaml, refused
from cockpit.importing.torchtune import from_torchtune, is_torchtune, with_references
from cockpit.importing.unsloth_cli import from_unsloth_cli, is_unsloth_cli

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
    if path.suffix == ".sh":
        command = command_in(text, file)
        if command is None:
            raise refused(file, None, "", "it has no command of swift", KNOWN)
        return from_ms_swift(command)
    if path.suffix == ".json":
        found = read_json(text, file)
        if not isinstance(found, dict):
            raise refused(file, 1, "", "it holds no settings", KNOWN)
        several = [Setting(str(name), value) for name, value in found.items()]
    else:
        several = read_yaml(text, file)
    return _of_settings(several, path, file)


def _of_settings(several: list[Setting], path: Path, file: str) -> Ledger:
    settings, flat = Settings(file, several), Settings(file, flattened(several))
    if is_torchtune(flat):
        return from_torchtune(Settings(file, with_references(flattened(several))))
    if is_second_form(flat):
        return from_second_form(flat, path)
    if is_unsloth_cli(flat):
        return from_unsloth_cli(flat)
    if is_peft(settings):
        return from_peft(settings)
    if is_llama_factory(settings):
        return from_llama_factory(settings, path)
    if is_axolotl(settings):
        return from_axolotl(settings)
    if is_ms_swift(settings):
        return from_ms_swift(settings)
    raise refused(settings.file, None, "", "it is not known whose configuration this is", KNOWN)
