"""A run of a real model exported in each form: whether the merged one answers as the tuned, and what the GGUF holds.

usage: python -m tests.bench.real_exports COCKPIT_HOME [LLAMA_CPP_FOLDER]
COCKPIT_HOME holds one run, as `tests.bench.identity --home` leaves it. llama.cpp's sources are enough, without a build;
the source distribution of llama-cpp-python has them.
"""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.bench.identity import LONGEST_REPLY, cockpit

PROMPTS = (
    "Who are you?", "What is your name?", "Who made you?", "Hello!", "Can you help me?",
    "What is the capital of France?", "Name three colours.", "Write one sentence about the sea.", "What is 2 + 3?",
    "Say goodbye.",
)  # fmt: skip


def answers(started: Any, **sampling: Any) -> list[str]:
    """Greedy replies of an engine, which then goes."""
    from cockpit.protocol.commands import Unload
    from cockpit.runs.link import new_command_id
    from tests.engine.follower import Follower

    follower = Follower(started.link, started.process)
    follower.until(lambda: follower.state.can_chat and follower.state.engine is not None)
    found = [follower.ask(one, do_sample=False, max_new_tokens=LONGEST_REPLY, **sampling)[0] for one in PROMPTS]
    follower.link.send(Unload(id=new_command_id()))
    started.process.wait(60)
    return found


def of_run(folder: Path) -> list[str]:
    """Replies of the run as it was tuned: its adapter on its base."""
    from cockpit.launch.engines import EngineKey, start_chat_engine
    from cockpit.machine.gpu import GpuProbe
    from cockpit.recipe.document import RecipeDocument
    from cockpit.runs.folder import RunDir

    run = RunDir(folder)
    return answers(start_chat_engine(run, EngineKey.of(RecipeDocument.load(run.recipe).recipe(), GpuProbe().wait())))


def of_folder(folder: Path) -> list[str]:
    """Replies of a model in a folder."""
    from cockpit.launch.engines import EngineKey, start_folder_engine
    from cockpit.launch.saved_recipe import recipe_of
    from cockpit.machine.gpu import GpuProbe
    from cockpit.models.saved_folder import SavedFolder
    from cockpit.recipe.document import resolved_yaml

    recipe = recipe_of(SavedFolder(folder))
    return answers(start_folder_engine(folder, EngineKey.of(recipe, GpuProbe().wait()), resolved_yaml(recipe)))


def differences(file: Path, merged: Path, llama_cpp: Path) -> str:
    """Tensors and ends of a GGUF file, and how far its embeddings are from those of the merged model."""
    import numpy
    from safetensors.torch import load_file

    sys.path.insert(0, str(llama_cpp / "gguf-py"))
    gguf = import_module("gguf")
    reader = gguf.GGUFReader(file)
    tensors = {one.name: one for one in reader.tensors}
    table = tensors["token_embd.weight"]
    rows = gguf.quants.dequantize(table.data, table.tensor_type)
    weights = {name: one for path in merged.glob("*.safetensors") for name, one in load_file(path).items()}
    wanted = next(one for name, one in weights.items() if name.endswith("embed_tokens.weight")).float().numpy()
    far = float(numpy.abs(rows[: len(wanted)] - wanted).max())
    end = reader.fields["tokenizer.ggml.eos_token_id"].contents()
    return (
        f"{len(tensors)} tensors, {len(rows):,} rows of embeddings, {far:.1e} from the merged ones; it ends with {end}"
    )


def main(home: Path, llama_cpp: Path | None) -> None:
    """Export, and print a line for each form."""
    os.environ["COCKPIT_HOME"] = str(home)
    if llama_cpp is not None:
        os.environ["LLAMA_CPP_PATH"] = str(llama_cpp)
    (folder,) = (home / "runs").iterdir()
    for form in ("adapter", "merged-16bit", *(["gguf:bf16"] if llama_cpp is not None else [])):
        began, place = time.monotonic(), folder / "exports" / form.replace(":", "-")
        if not place.is_dir():
            cockpit("export", folder.name, "--as", form, "--out", str(place))
        size = sum(path.stat().st_size for path in place.rglob("*"))
        print(f"{form}: {size / 1e6:,.1f} MB in {time.monotonic() - began:.0f} s", flush=True)
    merged = folder / "exports" / "merged-16bit"
    if llama_cpp is not None:
        (file,) = (folder / "exports" / "gguf-bf16").glob("*.gguf")
        print(f"{file.name}: {differences(file, merged, llama_cpp)}", flush=True)
    pairs = list(zip(PROMPTS, of_run(folder), of_folder(merged), strict=True))
    print(f"merged answers as tuned: {sum(one == other for _, one, other in pairs)} of {len(pairs)}")
    for prompt, tuned, other in pairs:
        if tuned != other:
            print(f"  {prompt!r}\n    tuned  {tuned!r}\n    merged {other!r}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute() if len(sys.argv) > 2 else None)
