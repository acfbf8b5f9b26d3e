"""Starting an export: a process of its own, which tells of itself in the run's export log"""

from __future__ import annotations

import subprocess
from pathlib import Path

from cockpit.disk import open_to_append
from cockpit.launch.engines import EngineKey, EngineProcess, engine_environment
from cockpit.machine.child_environment import python_command
from cockpit.machine.gpu import DRIVERLESS, NONE, GpuReport
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir
from cockpit.runs.link import new_command_id


def export_key(recipe: Recipe, report: GpuReport) -> EngineKey:
    """The key of the process that exports: plain peft merges in the machine's memory, and leaves the GPUs alone unless
    LoftQ needs one.

    Raises ValueError with a sentence where the recipe's GPU is not there.
    """
    if recipe.backend == "unsloth" or (recipe.lora.loftq_config is not None and recipe.finetuning_type == "lora"):
        key = EngineKey.to_ask(recipe, report)
        if key.gpu != DRIVERLESS:
            return key
    return EngineKey(recipe.backend, NONE, recipe.hardware.compile)


def start_export(
    run: RunDir,
    key: EngineKey,
    form: str,
    out: Path,
    *,
    push: str | None = None,
    private: bool = False,
    base: str | None = None,
    with_receipt: bool = True,
) -> tuple[str, EngineProcess]:
    """Start a process that exports what the run has saved into the folder `out`; its id in the run's export log, and
    the process. It outlives its starter. `base`: where the base is, in place of the recipe's model. `with_receipt`: it
    is compared with what was trained. Raises OSError."""
    export_id = new_command_id()
    options = ["--as", form, "--out", str(out.expanduser().absolute()), "--id", export_id]
    options += ["--push", push] if push else []
    options += ["--private"] if private else []
    options += ["--model", base] if base else []
    options += [] if with_receipt else ["--no-receipt"]
    # Unsloth must never fetch or build anything, nor ask.
    manners = {"UNSLOTH_AUTO_INSTALL": "0", "UNSLOTH_LLAMA_CPP_OFFLINE": "1"}
    with open_to_append(run.path / "export.log") as log:
        process = subprocess.Popen(
            python_command("cockpit.engine.export", str(run.path), *options),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=run.path,
            env=engine_environment(key) | manners,
            start_new_session=True,
        )
    return export_id, process
