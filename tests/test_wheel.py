"""The wheel in a clean virtual environment, as a desk without the training stack: recipes and the demo model are found
there as they are in a checkout."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DESK_MB = 60
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
    run(uv, "pip", "install", "--python", python, wheel, cwd=folder)
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


def test_a_desk_is_small_and_says_what_is_missing(clean_python: Path, tmp_path: Path) -> None:
    packages = next((clean_python.parent.parent / "lib").glob("python*/site-packages"))
    taken = sum(
        path.lstat().st_size for path in packages.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    assert taken < DESK_MB * 10**6
    assert not (packages / "torch").exists()
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"COCKPIT_HOME": str(tmp_path)}
    for command in (["train", "demo"], ["data", "demo"]):
        ended = subprocess.run(
            [clean_python, "-m", "cockpit", *command],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode
        said = " ".join(f"{ended.stdout} {ended.stderr}".split())
        assert (
            "The training stack is not installed here, so that nothing can be trained or asked (there is no mod" in said
        )
        assert "Install it with: pip install 'finetune-cockpit[train]', or use that of a server: cockpit ssh" in said
    ended = subprocess.run(
        [clean_python, "-m", "cockpit", "pack", "demo"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (
        ended.returncode == 1 and "nothing can be trained or asked; a pack holds the wheels of what is" in ended.stderr
    )
