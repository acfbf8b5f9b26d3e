"""The oldest versions that pyproject.toml allows of all that needs no torch: every module there imports and works."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STACK = {"bitsandbytes", "datasets", "peft", "scipy", "torch", "transformers", "trl", "unsloth"}
"""What the engine alone imports: gigabytes, and bound to each other's versions."""
IMPORT_ALL = """
import importlib, pkgutil
import cockpit
NEED_THE_STACK = ("cockpit.engine", "cockpit.demo.exam", "cockpit.demo.pretrain", "cockpit.demo.tokens")
imported = 0
for module in pkgutil.walk_packages(cockpit.__path__, "cockpit.", onerror=print):
    if not module.name.startswith(NEED_THE_STACK) and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        imported += 1
print(imported)
"""


def run(*command: str | Path, cwd: Path) -> str:
    """What a command of the checkout under test prints. Raises AssertionError where it fails."""
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"} | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def torch_free() -> list[str]:
    """The requirements of pyproject.toml without the stack."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    required: list[str] = project["dependencies"] + project["optional-dependencies"]["train"]
    named = {line.partition(">")[0].partition("<")[0]: line for line in required}
    assert named.keys() >= STACK
    return [line for name, line in named.items() if name not in STACK]


@pytest.fixture(scope="module")
def oldest_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the oldest versions; skips where there is no uv, or no registry that answers."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    folder = tmp_path_factory.mktemp("oldest")
    run(uv, "venv", "--no-project", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    resolve = [uv, "pip", "install", "--python", python, "--resolution", "lowest-direct", *torch_free()]
    resolved = subprocess.run(list(map(str, resolve)), cwd=folder, capture_output=True, text=True, check=False)
    if resolved.returncode and any(sign in resolved.stderr for sign in ("Failed to fetch", "error sending request")):
        pytest.skip("no package registry answers")
    assert resolved.returncode == 0, resolved.stderr
    return python


def test_every_module_outside_the_engine_imports(oldest_python: Path, tmp_path: Path) -> None:
    assert int(run(oldest_python, "-c", IMPORT_ALL, cwd=tmp_path)) > 100


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("recipes check demo", "fine"),
        ("runs", "No runs"),
        ("--help", "train"),
        ("train --help", "--set"),
    ],
)
def test_commands_work(oldest_python: Path, tmp_path: Path, command: str, shown: str) -> None:
    assert shown in run(oldest_python, "-m", "cockpit", *command.split(), cwd=tmp_path)
