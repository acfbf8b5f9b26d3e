"""The wheel in a clean virtual environment: recipes and the demo model are found there as they are in a checkout."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIGHT = ["pydantic", "ruamel.yaml", "typer", "rich", "msgspec", "platformdirs", "psutil", "textual", "nvidia-ml-py"]
"""What the commands that train nothing need; the stack itself is left out, 6 GB that this test has no use for."""
FOUND = """
import json
from pathlib import Path
import cockpit
from cockpit.paths import resolve
from cockpit.recipe.library import library
print(json.dumps({
    "package": str(Path(cockpit.__file__).parent),
    "recipes": sorted(entry.name for entry in library() if not entry.problems),
    "model": sorted(path.name for path in Path(resolve("embedded:demo")).iterdir()),
    "rows": len(Path(resolve("embedded:pirate")).read_text().splitlines()),
}))
"""


def run(*command: str | Path, cwd: Path) -> str:
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def clean_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    uv = shutil.which("uv")
    assert uv, "uv is what the README installs first"
    folder = tmp_path_factory.mktemp("wheel")
    run(uv, "build", "--wheel", "--out-dir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("finetune_cockpit-*.whl")
    run(uv, "venv", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run(uv, "pip", "install", "--python", python, "--no-deps", wheel, cwd=folder)
    run(uv, "pip", "install", "--python", python, *LIGHT, cwd=folder)
    return python


def test_the_wheel_holds_recipes_model_and_dataset(clean_python: Path, tmp_path: Path) -> None:
    installed = json.loads(run(clean_python, "-c", FOUND, cwd=tmp_path))
    checkout = json.loads(run(sys.executable, "-c", FOUND, cwd=ROOT))
    assert str(clean_python.parent.parent) in installed.pop("package")
    assert checkout.pop("package") == str(ROOT / "cockpit")
    assert installed == checkout
    assert "demo" in installed["recipes"]
    assert "model.safetensors" in installed["model"]


def test_the_installed_command_works_without_the_stack(clean_python: Path, tmp_path: Path) -> None:
    cockpit = clean_python.parent / "cockpit"
    assert "demo" in run(cockpit, "recipes", cwd=tmp_path)
    assert "fine" in run(cockpit, "recipes", "check", "demo", cwd=tmp_path)
