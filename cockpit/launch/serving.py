"""The lines that serve an export: vLLM, llama-server, Ollama"""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from cockpit.models.folder import read_json
from cockpit.recipe.recipe import Recipe

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Those that vLLM makes room for."""


@dataclass(frozen=True)
class Serving:
    """A command line, and the program that must be there for it."""

    program: str
    line: str

    @property
    def is_here(self) -> bool:
        """Whether the program is installed."""
        return shutil.which(self.program) is not None


def serving(folder: Path, place: Path, recipe: Recipe, name: str, *, base: str = "") -> list[Serving]:
    """For what lies in `folder` and is named as `place`; `name` is what clients will call the model, and `base` what an
    adapter's base is called, in place of what its config names."""
    short = "".join(char if char.isalnum() or char in "-_." else "-" for char in name)
    length = recipe.model.max_seq_length
    files = sorted(path.name for path in folder.glob("*.gguf"))
    whole = [file for file in files if not file.startswith("mmproj-")]
    if whole:
        pictures = [file for file in files if file.startswith("mmproj-")]
        server = ["llama-server", "-m", str(place / whole[0]), "-c", str(length), "--jinja"]
        server += ["--mmproj", str(place / pictures[0])] if pictures else []
        ollama = ["ollama", "create", short, "-f", str(place / "Modelfile")]
        return [
            Serving("llama-server", shlex.join(server)),
            Serving("ollama", f"{shlex.join(ollama)} && {shlex.join(['ollama', 'run', short])}"),
        ]
    if (folder / "adapter_config.json").is_file():
        config = read_json(folder / "adapter_config.json")
        base, rank = base or str(config.get("base_model_name_or_path") or ""), config.get("r")
        room = next((size for size in RANKS if isinstance(rank, int) and rank <= size), RANKS[-1])
        line = ["vllm", "serve", base, "--enable-lora", "--max-lora-rank", str(room)]
        line += ["--lora-modules", f"{short}={place}", "--max-model-len", str(length)]
        return [Serving("vllm", shlex.join(line))]
    line = ["vllm", "serve", str(place), "--served-model-name", short, "--max-model-len", str(length)]
    return [Serving("vllm", shlex.join(line))]
