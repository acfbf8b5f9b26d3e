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
from typing import Any

from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.errors import RunFailure
from cockpit.engine.export.merging import OF_ADAPTER
from cockpit.launch.export_form import CONVERTED, GET_LLAMA_CPP, LlamaCpp
from cockpit.paths import located
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir

WEIGHTS = (".safetensors", ".bin", ".pt")

_SYSTEM, _USER, _ANSWER = "System7319", "User7319", "Answer7319"


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
            shutil.copy2(config, folder / "config.json")
        outfile = str(folder / "vocabulary.gguf")
        said = _said_by([sys.executable, str(tools.converter), name, "--vocab-only", "--outfile", outfile]).stdout
        print(said, flush=True)
        _refuse_unknown_tokenizer(said)  # what else may be wrong is told by the conversion itself


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


def convert(merged: Path, place: Path, name: str, gguf_type: str, recipe: Recipe, task: Callable[[str], None]) -> Path:
    """Write `name`-TYPE.gguf and a Modelfile into `place`; the file. Raises RunFailure."""
    tools = LlamaCpp.find()
    if tools is None:
        raise RunFailure(f"{GET_LLAMA_CPP}.")
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
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(merged, trust_remote_code=recipe.model.trust_remote_code)
    text = modelfile(whole.name, tokenizer, recipe)
    (place / "Modelfile").write_text(text, encoding="utf-8")
    return whole


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


def modelfile(file: str, tokenizer: Any, recipe: Recipe) -> str:
    """What Ollama needs beside the GGUF `file`: the turns as the chat template writes them, what ends a reply, and the
    sampling of the recipe's first preset."""
    preset = recipe.chat.presets[0]
    lines = [f"FROM ./{file}"]
    stops = [tokenizer.eos_token] if tokenizer.eos_token else []
    if tokenizer.chat_template:
        template = ChatTemplate(tokenizer)
        lines.append(f'TEMPLATE """{_go_template(template, tokenizer, preset.enable_thinking)}"""')
        stops = [mark for mark in (template.markers.reply_end,) if mark] + stops
    lines += [f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in dict.fromkeys(stops)]
    lines.append(f"PARAMETER num_ctx {recipe.model.max_seq_length}")
    if preset.do_sample:
        lines += [f"PARAMETER {name} {getattr(preset, name)}" for name in ("temperature", "top_p", "top_k")]
    else:
        lines.append("PARAMETER temperature 0")
    return "\n".join(lines) + "\n"


def _go_template(template: ChatTemplate, tokenizer: Any, enable_thinking: bool) -> str:
    """The chat template in Ollama's words, read off what it makes of a conversation: Ollama renders turn by turn."""
    user = {"role": "user", "content": _USER}
    before, after = _around(template.prompt([user], enable_thinking), _USER, tokenizer)
    told = template.render([user, {"role": "assistant", "content": _ANSWER}])
    tail = told.partition(_ANSWER)[2]
    system = ""
    try:
        both = template.prompt([{"role": "system", "content": _SYSTEM}, user], enable_thinking)
    except Exception:
        both = ""  # this template takes no system turn
    if _SYSTEM in both:
        first, rest = _around(both, _SYSTEM, tokenizer)
        between = rest.partition(_USER)[0]
        system = f"{{{{ if .System }}}}{first}{{{{ .System }}}}{between}{{{{ else }}}}{before}{{{{ end }}}}"
    return f"{system or before}{{{{ .Prompt }}}}{after}{{{{ .Response }}}}{tail}"


def _around(text: str, words: str, tokenizer: Any) -> tuple[str, str]:
    """What stands before and after the words; the tokenizer's <bos>, which Ollama adds itself, left out."""
    before, _, after = text.partition(words)
    if tokenizer.bos_token and before.startswith(tokenizer.bos_token):
        before = before[len(tokenizer.bos_token) :]
    return before, after
