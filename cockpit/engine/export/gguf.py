"""merged model -> GGUF file by llama.cpp's own tools, and a Modelfile for Ollama beside it"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from cockpit.engine.errors import RunFailure
from cockpit.engine.export.byte_tokens import without_idle_byte_fallback
from cockpit.engine.export.merging import OF_ADAPTER
from cockpit.engine.export.ollama import difference, modelfile
from cockpit.engine.export.whole_model import carry_tokenizer_sources
from cockpit.launch.export_form import CONVERTED, GET_LLAMA_CPP, LlamaCpp
from cockpit.models.folder import ModelFolder, read_json
from cockpit.models.saved_adapter import rows_needed
from cockpit.paths import located
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir

Say = Callable[[str], None]
WEIGHTS = (".safetensors", ".bin", ".pt")


def check_tokenizer(run: RunDir, recipe: Recipe, task: Callable[[str], None]) -> None:
    """Ask llama.cpp's converter whether it knows the tokenizer, before anything is merged. Raises RunFailure."""
    tools, result = LlamaCpp.find(), run.result
    if tools is None:
        raise RunFailure(f"{GET_LLAMA_CPP}.")
    config = _config_of_base(recipe) if result == run.adapter else None
    if result is None or (result == run.adapter and config is None):
        return
    task("asking llama.cpp about the tokenizer")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in result.iterdir():
            if path.is_file() and path.name not in OF_ADAPTER and path.suffix not in WEIGHTS:
                shutil.copy2(path, folder)
        if config is not None:
            _copy_with_room(config, folder, rows_needed(result))
            carry_tokenizer_sources(config.parent, folder, lambda text: None)  # merging tells it
        without_idle_byte_fallback(folder)  # the conversion tells it
        outfile = str(folder / "vocabulary.gguf")
        said = _said_by([sys.executable, str(tools.converter), name, "--vocab-only", "--outfile", outfile]).stdout
        print(said, flush=True)
        _refuse_unknown_tokenizer(said)  # what else may be wrong is told by the conversion itself


def _copy_with_room(config: Path, folder: Path, rows: int) -> None:
    """Copy the base's config into the folder, with room for new tokens that need so many rows."""
    content = read_json(config)
    inner = content.get("text_config")
    part = inner if isinstance(inner, dict) else content
    if rows > part.get("vocab_size", 0):
        part["vocab_size"] = rows
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")


def _config_of_base(recipe: Recipe) -> Path | None:
    """The base's config.json on this disk; None where it is in no folder and not in the Hub's cache."""
    folder = located(recipe.model.name_or_path)
    if folder is not None and (folder / "config.json").is_file():
        return folder / "config.json"
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(recipe.model.name_or_path, "config.json", revision=recipe.model.revision)
    except ValueError:
        return None  # no name that the Hub could have
    return Path(found) if isinstance(found, str) else None


def convert(
    merged: Path, place: Path, name: str, gguf_type: str, recipe: Recipe, task: Say, say: Say = lambda text: None
) -> Path:
    """Write `name`-TYPE.gguf, what reads images for a vision model, and a Modelfile into `place`; the first of them.
    Raises RunFailure."""
    tools = LlamaCpp.find()
    if tools is None:
        raise RunFailure(f"{GET_LLAMA_CPP}.")
    if mended := without_idle_byte_fallback(merged):
        say(mended)
    whole = place / f"{name}-{gguf_type}.gguf"
    direct = gguf_type in CONVERTED
    written = whole if direct else place / f"{name}-bf16.gguf"
    outtype = gguf_type if direct else "bf16"
    task(f"converting to GGUF ({outtype})")
    _run([sys.executable, str(tools.converter), str(merged), "--outfile", str(written), "--outtype", outtype])
    if not direct:
        task(f"quantising to {gguf_type}")
        _run([str(tools.quantizer), str(written), str(whole), gguf_type.upper()])
        written.unlink()
    files = [whole.name, *_images(tools, merged, place, name, task, say)]
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(merged, trust_remote_code=recipe.model.trust_remote_code)
    named = read_json(merged / "generation_config.json").get("eos_token_id", [])
    ends = tokenizer.convert_ids_to_tokens(named if isinstance(named, list) else [named])
    text = modelfile(files, tokenizer, recipe, [end for end in ends if end])
    (place / "Modelfile").write_text(text, encoding="utf-8")
    if differs := difference(tokenizer, recipe):
        say(differs)
    return whole


def _images(tools: LlamaCpp, merged: Path, place: Path, name: str, task: Say, say: Say) -> list[str]:
    """Write what reads images for a vision model; the file's name, none where there is nothing to read or llama.cpp
    cannot, which is told: the model then takes text alone."""
    if not ModelFolder.at(merged).is_vision:
        return []
    file = place / f"mmproj-{name}-f16.gguf"
    task("converting what reads images")
    try:
        _run(
            [sys.executable, str(tools.converter), str(merged), "--mmproj", "--outfile", str(file), "--outtype", "f16"]
        )
    except RunFailure as failure:
        file.unlink(missing_ok=True)
        say(f"The GGUF file takes text alone, no images: {failure}")
        return []
    return [file.name]


def _run(command: list[str]) -> None:
    """Run one of llama.cpp's tools, which may ask nothing. Raises RunFailure with the last thing it has said."""
    done = _said_by(command)
    print(done.stdout, flush=True)
    if done.returncode:
        said = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        _refuse_unknown_tokenizer(done.stdout)
        last = said[-1] if said else f"it ended with status {done.returncode}"
        raise RunFailure(f"llama.cpp's {Path(command[1 if command[0] == sys.executable else 0]).name} failed: {last}")


def _said_by(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # The converter is a script that imports from its own folder.
        env={name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"},
    )


def _refuse_unknown_tokenizer(said: str) -> None:
    if "pre-tokenizer was not recognized" in said:
        raise RunFailure(
            "llama.cpp's converter does not know this model's tokenizer.",
            "A newer llama.cpp may; a merged model is taken by other programs as it is.",
        )
