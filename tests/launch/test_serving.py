"""The lines that serve an export name its files, and quote what a shell would read otherwise."""

from __future__ import annotations

import json
from pathlib import Path

from cockpit.launch.serving import serving
from cockpit.recipe.document import RecipeDocument
from tests.recording import RECIPE

PLACE = Path("/exports/my run")


def lines(folder: Path, name: str = "my run") -> list[str]:
    recipe = RecipeDocument.parse(RECIPE, "recipe.yaml").recipe()
    return [one.line for one in serving(folder, PLACE, recipe, name)]


def test_an_adapter_is_served_on_its_base_with_room_for_its_rank(tmp_path: Path) -> None:
    config = {"base_model_name_or_path": "owner/base", "r": 24}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    assert lines(tmp_path) == [
        "vllm serve owner/base --enable-lora --max-lora-rank 32 --lora-modules 'my-run=/exports/my run' "
        "--max-model-len 128"
    ]


def test_a_merged_model_is_served_by_itself(tmp_path: Path) -> None:
    assert lines(tmp_path) == ["vllm serve '/exports/my run' --served-model-name my-run --max-model-len 128"]


def test_a_gguf_file_is_served_with_what_reads_pictures(tmp_path: Path) -> None:
    (tmp_path / "a-q8_0.gguf").touch()
    (tmp_path / "mmproj-a-f16.gguf").touch()
    assert lines(tmp_path) == [
        "llama-server -m '/exports/my run/a-q8_0.gguf' -c 128 --jinja --mmproj '/exports/my run/mmproj-a-f16.gguf'",
        "ollama create my-run -f '/exports/my run/Modelfile' && ollama run my-run",
    ]
