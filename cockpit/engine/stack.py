"""The training stack: importing it, how far that is, which versions it has, what it says."""

from __future__ import annotations

import gc
import logging
import os
import platform
import sys
import traceback
from importlib import import_module, metadata

from cockpit.engine.compat.lean_imports import lean_imports
from cockpit.engine.compat.private_names import is_initialised, warm_compiler
from cockpit.engine.errors import RunFailure
from cockpit.engine.journal import Journal
from cockpit.machine.nvml import Nvml
from cockpit.text.plain_text import plain_line

LLAMA_CPP = "llama.cpp"
"""What answers with a GGUF file, in place of a backend that trains."""
PACKAGES = ("torch", "transformers", "peft", "datasets", "trl")
VERSIONS = ("unsloth", "unsloth_zoo", "torch", "transformers", "trl", "peft", "datasets", "bitsandbytes")
COMPILED = "TORCHINDUCTOR_CACHE_DIR"
TALKERS = ("transformers", "trl", "peft", "datasets", "accelerate", "unsloth", "unsloth_zoo", "bitsandbytes")
NOISE = (
    "==((====))==",  # Unsloth's banner
    "Unsloth: Not an error",
    "Unsloth: Restored added_tokens_decoder",
    "Passing `generation_config` together with",
    "Both `max_new_tokens`",
    # The trainer names the folder as it was before the run was moved; the best that is there is looked for anew.
    "The best checkpoint ",
    # What a resume may change is for resume_policy to say.
    "Warning: The following arguments do not match the ones in the `trainer_state.json`",
    # Told whatever the model does; cockpit tries on the model itself whether neighbours see each other.
    "[RANK 0] Padding-free training is enabled, but",
    "[RANK 0] You are using packing, but",
)
"""Beginnings of warnings that tell the user nothing."""
LINES = 50
"""Warnings of the stack that reach the log pane; all of them are in engine.log."""


def packages(backend: str) -> tuple[str, ...]:
    """What is imported, as `imported` counts it."""
    if backend == LLAMA_CPP:
        return ()
    return (*PACKAGES, "unsloth") if backend == "unsloth" else PACKAGES


def import_stack(backend: str) -> None:
    """Import all that a run needs; takes about 20 s. Unsloth comes first: it patches the rest.

    Raises RunFailure where the GPU that was chosen cannot be used by torch.
    """
    if backend == LLAMA_CPP:
        return  # it is imported with the file that it loads
    # What is imported stays, and is kept from the garbage collection. That would walk through all of it ten times while
    # it grows, a ninth of the import's time, and more than ten times while Unsloth loads a model: 8 of 14 s with
    # Gemma-3-4B on an H200.
    collects = gc.isenabled()
    gc.disable()
    try:
        with lean_imports():
            _import_all(backend)
        gc.collect()
        gc.freeze()
    finally:
        if collects:
            gc.enable()


def _import_all(backend: str) -> None:
    # Threads of the CPU's kernels that spin while they wait for each other stand still as soon as anything else, such
    # as the app, wants a core: measured on 2 cores beside another busy process, steps were 4 to 150 times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if backend == "unsloth":
        import_unsloth()
    else:
        expand_segments()
    check_gpu()
    for name in PACKAGES:
        import_module(name)
    import_module("transformers").utils.logging.disable_progress_bar()
    import_module("datasets").disable_progress_bars()
    for part in ("model.loading", "data.prepare", "training.run", "training.sft", "chat.replies"):
        import_module(f"cockpit.engine.{part}")
    # Lazy modules of the stack, which would be imported at the first step otherwise.
    import_module("trl.trainer.sft_trainer")
    _warm_compiler()


def import_unsloth() -> None:
    """Before torch too, whose settings it makes. It forgets where compiled code is kept for the next run."""
    kept_in = os.environ.get(COMPILED)
    try:
        import_module("unsloth")
    except Exception:
        check_gpu()
        raise
    if kept_in is not None:
        os.environ[COMPILED] = kept_in


def expand_segments() -> None:
    """Let torch's blocks of GPU memory grow, as Unsloth does: they leave fewer holes. Before torch is imported.

    Not where the user has settings of that, and only on servers' systems: elsewhere (WSL, boards) drivers fail at it.
    """
    names = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")  # as of torch 2.10, and before
    is_server = (platform.system(), platform.machine()) == ("Linux", "x86_64")
    if is_server and "microsoft" not in platform.release().lower() and not any(map(os.environ.get, names)):
        os.environ.update(dict.fromkeys(names, "expandable_segments:True"))


def _warm_compiler() -> None:
    """Where torch and a GPU will compile: start the processes that do, and compile a function of one line.

    So that the first step need not wait for what a first compilation imports and sets up.
    """
    import torch

    if not torch.cuda.is_available() or os.environ.get("TORCHDYNAMO_DISABLE") == "1":
        return
    try:
        warm_compiler()
    except Exception:  # what hinders compiling is told where a run compiles
        traceback.print_exc()


def check_gpu() -> None:
    """Whoever started this engine has chosen a GPU by CUDA_VISIBLE_DEVICES, or the CPU by leaving it empty. Where there
    is no driver, what it names is left over from elsewhere, and the CPU trains."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if not named or named == "-1" or import_module("torch").cuda.is_available() or Nvml().absent:
        return
    cuda = import_module("torch").version.cuda
    built = f"torch is built for CUDA {cuda}" if cuda else "torch is built without CUDA"
    shown = plain_line(named)[:80]
    raise RunFailure(
        f"There is an NVIDIA driver, and torch cannot use the GPU {shown} ({built}).",
        "Update the driver, install a torch that fits it, or set hardware.gpu to none to train on the CPU.",
    )


def imported(backend: str) -> int:
    """How many of `packages` are imported whole; may be asked from another thread while it goes on."""
    return sum(is_initialised(module) for module in map(sys.modules.get, packages(backend)) if module is not None)


def versions() -> dict[str, str]:
    """Version of each package of the stack that is installed, and of Python and cockpit; imports nothing."""
    found = {"python": sys.version.split()[0]}
    for package in ("finetune-cockpit", *VERSIONS):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


class StackLog(logging.Handler):
    """Brings the stack's warnings into the log pane, each once."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.WARNING)
        self._journal = journal
        self._told: set[str] = set()

    def listen(self) -> None:
        """Begin."""
        for name in TALKERS:
            logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record."""
        line = plain_line(record.getMessage())
        if line.startswith(NOISE) or line in self._told or len(self._told) >= LINES:
            return
        self._told.add(line)
        try:
            self._journal.log("error" if record.levelno >= logging.ERROR else "warning", f"{record.name}: {line}")
        except OSError:
            self.handleError(record)
