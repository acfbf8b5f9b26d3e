"""Files that are no recipe at all: each gives one sentence and exit status 2."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit

FILES = {
    "latin1.yaml": (
        b"schema: 1\ntitle: caf\xe9\n",
        "latin1.yaml:2: byte 0xe9 is not UTF-8; save the file as UTF-8 text",
    ),
    "utf16.yaml": (
        "schema: 1".encode("utf-16"),
        "utf16.yaml:1: byte 0xff is not UTF-8; save the file as UTF-8 text",
    ),
    "binary.yaml": (
        b"schema: 1\n\0\0\0",
        "binary.yaml:2: the character U+0000 may not stand in YAML; remove it, and save the file as plain UTF-8 text",
    ),
    "huge.yaml": (b"# much\n" * 20_000, "huge.yaml: it is larger than 64 KiB; give a recipe, not data or a model"),
}


@pytest.mark.parametrize("name", FILES)
def test_file_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content, said = FILES[name]
    Path(name).write_bytes(content)
    result = CliRunner().invoke(cockpit, ["recipes", "check", name])
    assert (result.exit_code, result.stderr) == (2, f"{said}\n")


def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("loop.yaml").symlink_to("loop.yaml")
    result = CliRunner().invoke(
        cockpit, ["recipes", "check", "missing.yaml", "folder", "nosuchname", "demoo", "loop.yaml"]
    )
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "missing.yaml: there is no such file; 'cockpit recipes' lists all recipes",
        "nosuchname: there is no recipe of this name; 'cockpit recipes' lists all recipes",
        "demoo: there is no recipe of this name; did you mean demo?",
        "loop.yaml: it cannot be read (Too many levels of symbolic links); give a file that you may read",
        "folder: there is no recipe here; give a folder with *.yaml files",
    ]
    assert result.stdout == "0 recipes are fine, 5 not\n"


def test_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    from cockpit.recipe.document import RecipeDocument
    from tests.recipe.sample import SAMPLE

    file = tmp_path / "windows.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + SAMPLE.replace("\n", "\r\n").encode())
    assert RecipeDocument.load(file).recipe() == RecipeDocument.parse(SAMPLE, "sample").recipe()
