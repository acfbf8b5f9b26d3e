"""In which form a run's result is given away: what each form needs, and what stands in its way"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cockpit.disk import unwritable
from cockpit.machine.gpu import DRIVERLESS, NONE
from cockpit.models.folder import ModelFolder
from cockpit.models.hub_cache import cached_snapshot, is_offline
from cockpit.models.weights_file import defect_of_safetensors
from cockpit.paths import expanded, located
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir
from cockpit.text.numbers import size
from cockpit.text.plain_text import plain_line, plain_text

Kind = Literal["adapter", "merged-16bit", "merged-fp8", "merged-4bit", "gguf"]
CONVERTED = {"f32": 2.0, "bf16": 1.0, "f16": 1.0, "q8_0": 0.54}
"""GGUF types that the converter writes itself, and their size as a share of the model in 16 bits."""
QUANTIZED = {
    "q6_k": 0.42, "q5_k_m": 0.36, "q5_k_s": 0.35, "q5_1": 0.38, "q5_0": 0.35, "q4_k_m": 0.31, "q4_k_s": 0.29,
    "q4_1": 0.32, "q4_0": 0.29, "q3_k_l": 0.27, "q3_k_m": 0.25, "q3_k_s": 0.22, "q2_k": 0.2,
}  # fmt: skip
"""GGUF types that llama-quantize makes of a 16-bit one."""
FORMS = ("adapter", "merged-16bit", "merged-fp8", "merged-4bit", *(f"gguf:{kind}" for kind in (*CONVERTED, *QUANTIZED)))
COMMON = ("adapter", "merged-16bit", "merged-fp8", "merged-4bit", "gguf:q8_0", "gguf:q4_k_m", "gguf:bf16")
"""The forms that most people want, which a dialog lists first."""
NAMED_IN = ("LLAMA_CPP_PATH", "UNSLOTH_LLAMA_CPP_PATH")
"""Variables of the environment that name llama.cpp's folder."""
WRONG_LLAMA_CPP = "{0} names {1}, which holds no convert_hf_to_gguf.py; name the folder of llama.cpp's sources."
GET_LLAMA_CPP = (
    "llama.cpp is not here, which makes GGUF files. Get it with: git clone https://github.com/ggml-org/llama.cpp && "
    "cmake -S llama.cpp -B llama.cpp/build && cmake --build llama.cpp/build --target llama-quantize; then name its "
    "folder in LLAMA_CPP_PATH"
)
GET_QUANTIZER = (
    "llama.cpp in {folder} has no llama-quantize, which this type needs; build it with: cmake -S {folder} -B "
    "{folder}/build && cmake --build {folder}/build --target llama-quantize; gguf:q8_0 and gguf:bf16 need none"
)


@dataclass(frozen=True)
class ExportForm:
    """`name` is what the user writes; `gguf_type` is empty where the form is no GGUF."""

    name: str
    kind: Kind
    gguf_type: str = ""

    @classmethod
    def parse(cls, name: str) -> ExportForm:
        """Raises ValueError with a sentence where there is no such form."""
        plain = name.strip().lower().replace("merged_", "merged-")
        if plain not in FORMS:
            shown = plain_line(name)
            raise ValueError(f"{shown!r} is no form of export; give one of: {', '.join(FORMS)}.")
        if plain.startswith("gguf:"):
            return cls(plain, "gguf", plain.partition(":")[2])
        return cls(plain, plain)  # type: ignore[arg-type]

    def folder_name(self) -> str:
        """As a folder is called that holds it."""
        return self.name.replace(":", "-")


@dataclass(frozen=True)
class LlamaCpp:
    """A llama.cpp folder with its converter; `quantizer` is None where that has not been built."""

    folder: Path
    converter: Path
    quantizer: Path | None

    @classmethod
    def find(cls) -> LlamaCpp | None:
        """The one that the environment names, else one that lies where it usually does."""
        named = [os.environ.get(name) for name in NAMED_IN]
        usual = ("~/.unsloth/llama.cpp", "~/llama.cpp", "/opt/llama.cpp", "/usr/local/llama.cpp")
        for place in filter(None, (*named, *usual)):
            folder = expanded(place)
            converter = folder / "convert_hf_to_gguf.py"
            if converter.is_file():
                built = (folder / sub / "llama-quantize" for sub in (".", "build/bin", "build"))
                quantizer = next((path for path in built if path.is_file()), None)
                on_path = shutil.which("llama-quantize")
                return cls(folder.absolute(), converter, quantizer or (Path(on_path) if on_path else None))
        return None


def default_folder(run: RunDir, form: ExportForm) -> Path:
    """Where an export goes that nobody has named a place for."""
    return run.path / "exports" / form.folder_name()


def temporary_paths(out: Path) -> tuple[Path, Path]:
    """Where the export into `out` is made until it is whole, and the merged model that a GGUF is made of."""
    return out.with_name(f".{out.name}.partial"), out.with_name(f".{out.name}.merged")


def why_not(
    run: RunDir,
    recipe: Recipe,
    form: ExportForm,
    gpu: str,
    out: Path,
    push: str | None = None,
    *,
    is_placed: bool = True,
) -> str:
    """What stands in the way of the export, in a sentence; empty where nothing does. `gpu` as EngineKey has it;
    without `is_placed`, `out` may be another one yet: only its disk counts."""
    result, name = run.result, plain_line(run.id)
    if result is None:
        return f"The run {name} has saved nothing yet, so there is nothing to export."
    if wrong := run.why_linked():
        return wrong
    weights = result / "adapter_model.safetensors"
    if result == run.adapter and (defect := defect_of_safetensors(weights)):
        return f"The adapter of {name} cannot be exported: {defect}; resume the run to save it anew."
    if form.kind == "adapter" and result == run.model:
        return f"The run {name} has trained every weight and has no adapter; give merged-16bit."
    if form.kind == "merged-4bit" and (wrong := _why_not_4bit(recipe, result == run.model, gpu)):
        return wrong
    base = _base_folder(recipe) if result == run.adapter else None
    if (
        form.kind in ("merged-16bit", "merged-fp8", "gguf")
        and base is not None
        and ModelFolder.at(base).is_unsloths_own
    ):
        # Plain transformers cannot load it, and Unsloth merges into 16-bit files alone.
        return f"The experts of {plain_text(recipe.model.name_or_path)} in four bits cannot be merged; give adapter."
    if form.kind == "merged-fp8" and ModelFolder.at(base or result).has_experts:
        return "A mixture of experts keeps them in one weight, which is not rounded to 8 bits; give merged-16bit."
    if form.kind == "gguf" and (wrong := _why_not_gguf(form)):
        return wrong
    return (is_placed and _why_not_there(out)) or _why_no_room(recipe, run, form, out) or _why_not_pushed(push)


def _why_not_4bit(recipe: Recipe, is_full: bool, gpu: str) -> str:
    if recipe.backend != "unsloth" or gpu in (NONE, DRIVERLESS):
        return "merged-4bit is Unsloth's own and needs an NVIDIA GPU and backend unsloth; give merged-16bit."
    if is_full or recipe.model.quantization != "nf4":
        return "merged-4bit is for an adapter on an nf4 base; give merged-16bit."
    return ""


def _base_folder(recipe: Recipe) -> Path | None:
    """The base's folder on this disk; None where it is not here."""
    name = recipe.model.name_or_path
    try:
        return located(name) or cached_snapshot(name)
    except (OSError, ValueError):
        return None


def _why_not_gguf(form: ExportForm) -> str:
    llama_cpp = LlamaCpp.find()
    if llama_cpp is None:
        named = next(((name, os.environ[name]) for name in NAMED_IN if os.environ.get(name)), None)
        return WRONG_LLAMA_CPP.format(*map(plain_text, named)) if named else f"{GET_LLAMA_CPP}."
    if form.gguf_type in QUANTIZED and llama_cpp.quantizer is None:
        return f"{GET_QUANTIZER.format(folder=llama_cpp.folder)}."
    return ""


def _why_not_there(out: Path) -> str:
    shown = plain_line(str(out))
    try:
        if out.is_dir() and any(out.iterdir()):
            return f"{shown} is there already and not empty; name another folder."
        file = next((path for path in (out, *out.parents) if path.exists() and not path.is_dir()), None)
        if file is not None:
            return f"{plain_line(str(file))} is a file; name a folder."
        parent = _existing(out)
        if why := unwritable(parent):
            return f"{shown} cannot be written: {plain_line(str(parent))} {why}."
    except (OSError, ValueError) as error:
        return f"{shown} cannot be used: {error}."
    return ""


def _why_no_room(recipe: Recipe, run: RunDir, form: ExportForm, out: Path) -> str:
    needed = needed_bytes(recipe, run, form)
    free = shutil.disk_usage(_existing(out)).free
    if needed is None or needed <= free:
        return ""
    return f"{form.name} needs {size(needed)} on the disk of {out}, and {size(free)} are free; make room or give --out."


def _why_not_pushed(push: str | None) -> str:
    if push is None:
        return ""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", push):
        return f"{plain_line(push)!r} names no repository of the Hub; write it as owner/name."
    if is_offline():
        return "HF_HUB_OFFLINE disables pushing to the Hub; unset it, or leave --push out."
    return ""


def needed_bytes(recipe: Recipe, run: RunDir, form: ExportForm) -> int | None:
    """Bytes that the export takes while it is made, a fiftieth to spare; None where the base's size is not known."""
    result = result_bytes(recipe, run, form)
    if form.kind == "adapter" or result is None:
        return result
    if form.kind == "gguf":  # beside the merged model that it is made of, and a 16-bit file that is quantized
        whole = result / _share(form)
        result = round(whole * (1.0 + (_share(form) if form.gguf_type in CONVERTED else 1.0 + _share(form))))
    if form.kind == "merged-fp8":  # made of a merged model in 16 bits, file by file, of which there may be one alone
        result = round(result * (1.0 + 1.0 / _share(form)))
    return round(result * 1.02)


def result_bytes(recipe: Recipe, run: RunDir, form: ExportForm) -> int | None:
    """About how many bytes it has in the end, an adapter exactly; None where the base's size is not known."""
    if form.kind == "adapter":
        return _size(run.adapter) if run.adapter.is_dir() else None
    folder = run.model if run.result == run.model else _base_folder(recipe)
    if folder is None:
        return None
    model = ModelFolder.at(folder)
    whole = model.loaded_bytes("none")
    if whole is None:
        return None
    whole *= 4 if model.quantized in ("nf4", "fp4") else 2 if model.quantized == "int8" else 1
    return round(whole * _share(form))


def _share(form: ExportForm) -> float:
    """Its size as a share of the model in 16 bits."""
    if form.kind == "gguf":
        return CONVERTED.get(form.gguf_type) or QUANTIZED[form.gguf_type]
    return {"merged-16bit": 1.0, "merged-fp8": 0.6}.get(form.kind, 0.4)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _existing(path: Path) -> Path:
    """The folder that is there, on the way to `path`."""
    path = expanded(path).absolute()
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path
