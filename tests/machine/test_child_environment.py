"""No process of ours imports from the folder that it works in."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cockpit
from cockpit.machine.child_environment import child_environment, python_command

PACKAGE = Path(cockpit.__file__).parent


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose modules take the place of those that we import, and say that they ran."""
    for name in ("msgspec", "typer", "json", "psutil", "pydantic", "platformdirs", "datasets", "textual", "yaml"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write('{name} ')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", ["", ".", ":", "/nowhere::relative"])
def test_a_child_imports_nothing_from_its_working_folder(
    hostile: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", path)
    done = run(python_command("cockpit.machine.gpu"), child_environment())
    assert (done.returncode, done.stderr) == (0, "")
    assert not (hostile / "ran").exists()


def test_a_child_keeps_the_folders_that_were_named_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "/of/ones/own", "here"]))
    assert child_environment()["PYTHONPATH"] == os.pathsep.join([str(PACKAGE.parent), "/of/ones/own"])


def test_what_a_child_starts_imports_nothing_from_there_either(hostile: Path) -> None:
    """As torch's compile workers and multiprocessing do it: `python -c` puts the working folder first."""
    grandchild = (
        f"import subprocess, sys; sys.exit(subprocess.run([{sys.executable!r}, '-c', 'import msgspec']).returncode)"
    )
    assert run([sys.executable, "-c", grandchild], child_environment()).returncode == 0
    assert not (hostile / "ran").exists()


@pytest.mark.parametrize("start", ["-m", "empty entry"])
def test_a_command_imports_nothing_from_where_it_is_given(
    hostile: Path, start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = dict(os.environ) | {"PYTHONPATH": f":{PACKAGE.parent}"}
    command = [sys.executable, "-m", "cockpit"]
    if start == "empty entry":  # the installed command is a script, whose own folder comes first
        script = hostile.parent / "bin" / "cockpit"
        script.parent.mkdir()
        script.write_text("from cockpit.__main__ import main\nmain()\n")
        command = [sys.executable, str(script)]
    done = run([*command, "recipes"], environment)
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout
    assert not (hostile / "ran").exists()


def test_every_python_process_is_started_by_the_one_helper() -> None:
    own_starts = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for command in _commands(ast.parse(path.read_text(encoding="utf-8")))
        if "sys.executable" in ast.unparse(command)
    }
    # llama.cpp's converter is a script: what comes first on its path is its own folder. uv gets Python as an option.
    assert own_starts <= {"machine/child_environment.py", "engine/export/gguf.py", "offline/wheels.py"}


def _commands(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple):
            yield node
