"""What preflight says of the sample recipe on a sound model and rows, after something of them was changed."""

import json
from pathlib import Path

import pytest

from cockpit.machine.gpu import GpuReport
from cockpit.preflight.checks import preflight
from cockpit.recipe.document import RecipeDocument
from tests.recipe.sample import SAMPLE

NO_GPU = GpuReport()
MODEL = {
    "config.json": json.dumps({"architectures": ["Qwen3ForCausalLM"]}),
    "model.safetensors": "\x02\0\0\0\0\0\0\0{}",
    "tokenizer.json": "{}",
    "tokenizer_config.json": json.dumps({"chat_template": "{{ messages }}"}),
}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model and rows that are sound, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    write_model()
    (tmp_path / "rows.jsonl").write_text('{"messages": [{"role": "user", "content": "a"}]}\n')
    return tmp_path


def write_model(folder: str = "model", /, **changes: str | None) -> None:
    """The sound model; names of changed files stand with two underscores for the dot, None leaves a file out."""
    path = Path(folder)
    path.mkdir(exist_ok=True)
    for name, content in (MODEL | {name.replace("__", "."): content for name, content in changes.items()}).items():
        (path / name).unlink(missing_ok=True)
        if content is not None:
            (path / name).write_text(content)


def document(**settings: object) -> RecipeDocument:
    """The sample on the sound model and rows, with settings (__ for the dot)."""
    sample = RecipeDocument.parse(SAMPLE, "sample.yaml")
    sample.use_model("./model")
    sample.use_data("rows.jsonl")
    for name, value in settings.items():
        sample.set(name.replace("__", "."), value)
    return sample


def said(sample: RecipeDocument, report: GpuReport = NO_GPU) -> list[str]:
    """Every problem that it finds, as it is shown."""
    return [str(problem) for problem in preflight(sample.recipe(), report, "sample.yaml", sample.line)]
