"""What a pack holds: images and code beside the rows, what is named twice once, wheels in the installed versions;
what cannot be packed is named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.offline.inputs import InputCopies
from cockpit.offline.pack import Pack, new_pack
from cockpit.offline.wheels import index_environment, installed_versions, write_own_wheel
from cockpit.recipe.document import RecipeDocument
from tests.ui.engines import write_recipe


def recipe_of_images(folder: Path, image: str) -> Path:
    """A recipe whose rows name an image."""
    (folder / "pictures").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "pictures" / "one.png")
    (folder / "rows.jsonl").write_text(json.dumps({"image": image, "text": "x^2"}) + "\n")
    recipe = write_recipe(folder, "mine")
    document = RecipeDocument.load(recipe)
    document.use_data(folder / "rows.jsonl")
    document.save(recipe)
    return recipe


def packed(recipe: Path, out: Path, *more: str) -> tuple[int, str]:
    """Status, and all that was said."""
    done = CliRunner().invoke(cockpit, ["pack", str(recipe), "--out", str(out), "--no-wheels", *more])
    return done.exit_code, done.output


def test_links_of_a_model_as_the_hub_keeps_it_are_followed_and_one_that_leads_nowhere_is_left_out(
    tmp_path: Path,
) -> None:
    snapshot, blobs = tmp_path / "snapshots/1", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "abc").write_text("weights")
    (snapshot / "model.safetensors").symlink_to("../../blobs/abc")
    (snapshot / "gone.txt").symlink_to("../../blobs/gone")
    (snapshot / ".hidden").touch()
    recipe = write_recipe(tmp_path, "mine")
    document = RecipeDocument.load(recipe)
    document.use_model(snapshot)
    copies = InputCopies(document, tmp_path / "out", print)
    copies.copy_model(snapshot)
    assert [path.name for path in (tmp_path / "out/model").iterdir()] == ["model.safetensors"]
    assert (tmp_path / "out/model/model.safetensors").read_text() == "weights"


def test_images_lie_beside_the_rows_as_they_did(tmp_path: Path) -> None:
    status, said = packed(recipe_of_images(tmp_path / "here", "pictures/one.png"), tmp_path / "out")
    assert status == 0, said
    assert (tmp_path / "out/data/1/pictures/one.png").is_file()
    assert RecipeDocument.load(tmp_path / "out/recipe.yaml").value("data.sources.0.name_or_path") == (
        "./data/1/rows.jsonl"
    )


def test_rows_that_are_named_by_a_way_up_have_their_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of_images(tmp_path / "here", "pictures/one.png")
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    status, said = packed(recipe, tmp_path / "out", "--data", "../here/rows.jsonl")
    assert status == 0, said
    assert (tmp_path / "out/data/1/pictures/one.png").is_file()


def test_images_come_with_the_rows_whatever_their_files_are_called(tmp_path: Path) -> None:
    """Those of a column, and those of turns' parts; a text that only has a file's name is none."""
    here = tmp_path / "here"
    recipe = recipe_of_images(here, "pictures/one.png")
    for name in ("scan.tif", "scan.avif", "0001", "part.tiff", "secret"):
        (here / "pictures" / name).write_bytes(b"x")
    rows = [{"image": f"pictures/{name}", "text": "pictures/secret"} for name in ("scan.tif", "scan.avif", "0001")]
    (here / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    status, said = packed(recipe, tmp_path / "columns")
    assert status == 0, said
    assert packed_pictures(tmp_path / "columns") == {"scan.tif", "scan.avif", "0001"}

    parts = [
        [{"type": "image", "image": "pictures/part.tiff"}, {"type": "text", "text": "pictures/secret"}],
        [{"type": "image_url", "image_url": {"url": "pictures/0001"}}, {"type": "text", "text": "What?"}],
    ]
    answer = {"role": "assistant", "content": "x"}
    talks = [{"messages": [{"role": "user", "content": content}, answer]} for content in parts]
    (here / "rows.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks))
    status, said = packed(recipe, tmp_path / "turns")
    assert status == 0, said
    assert packed_pictures(tmp_path / "turns") == {"part.tiff", "0001"}


def packed_pictures(pack: Path) -> set[str]:
    return {path.name for path in (pack / "data/1/pictures").iterdir()}


def test_an_image_that_another_machine_would_not_find_is_refused(tmp_path: Path) -> None:
    here = tmp_path / "here"
    status, said = packed(recipe_of_images(here, str(here / "pictures/one.png")), tmp_path / "out")
    assert status == 1 and "which another machine would not find" in said
    assert not (tmp_path / "out").exists() and list(tmp_path.glob(".out*")) == []


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("data.sources.0.name_or_path=/no/such/rows.jsonl", "The data file /no/such/rows.jsonl is not there."),
        ("model.name_or_path=/no/such/model", "there is no such folder"),
        ("model.adapter=/no/such/adapter", "/no/such/adapter"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_left(tmp_path: Path, setting: str, said: str) -> None:
    status, told = packed(Path("demo"), tmp_path / "out", "--set", setting)
    assert status == 1 and said in told and "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    status, said = packed(write_recipe(tmp_path, "mine"), tmp_path / "out")
    assert status == 2 and "this is there already" in said


def test_what_ships_with_cockpit_is_not_copied(tmp_path: Path) -> None:
    status, said = packed(Path("demo"), tmp_path / "out")
    assert status == 0, said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md", "SHA256SUMS", "recipe.yaml", "train.sh",
    ]  # fmt: skip


def test_code_of_ones_own_comes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "judging.py").write_text("def right(reply):\n    return True\n")
    (tmp_path / "judges").mkdir()
    (tmp_path / "judges/strict.py").write_text("import sys\n")
    checks = "{function: 'judging:right', judge: [python, ./judges/strict.py, --loud]}"
    check = f"suite.learned=[{{prompt: Hi, checks: {checks}}}]"
    (tmp_path / "measuring.py").write_text("def score(answer, wanted):\n    return 1.0\n")
    of_rows = ("--set", "evaluation.rows=2", "--set", "evaluation.function=measuring:score")
    status, said = packed(Path("demo"), tmp_path / "out", "--set", check, *of_rows)
    assert status == 0, said
    for name in ("judging.py", "measuring.py", "judges/strict.py"):
        assert (tmp_path / "out" / name).read_text() == (tmp_path / name).read_text()


def test_the_versions_are_those_that_are_installed() -> None:
    versions = installed_versions()
    assert "finetune-cockpit" not in versions and "pytest" not in versions
    assert {name: versions[name] for name in ("torch", "trl", "textual")} == {
        name: version(name) for name in ("torch", "trl", "textual")
    }
    assert "tokenizers" in versions, "what they need in turn"


def test_cockpits_own_wheel_installs_and_has_its_recipes(tmp_path: Path) -> None:
    wheel = write_own_wheel(tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        assert not any("__pycache__" in name for name in archive.namelist())
    uv = shutil.which("uv")
    assert uv is not None
    command = [uv, "pip", "install", "--no-index", "--no-deps", "--target", str(tmp_path / "there"), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    code = "from cockpit.recipe.library import library; print(*[one.name for one in library()])"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "there")}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert {"demo", "qwen3-8b"} <= set(said.stdout.split())


def test_indexes_are_pips_own_and_else_uvs() -> None:
    uvs = {"UV_DEFAULT_INDEX": "https://mirror/simple", "UV_INDEX": "more=https://one/simple https://two/simple"}
    told = index_environment(dict(uvs))
    assert told["PIP_INDEX_URL"] == "https://mirror/simple"
    assert told["PIP_EXTRA_INDEX_URL"] == "https://one/simple https://two/simple"
    assert index_environment({**uvs, "PIP_INDEX_URL": "https://mine/simple"})["PIP_INDEX_URL"] == "https://mine/simple"
    assert index_environment({"HOME": "/"}) == {"HOME": "/"}, "pip.conf says it, or pip's default"


def test_one_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    def break_off(pack: Pack) -> None:
        (pack.folder / "half").touch()
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"), new_pack(tmp_path / "out.tar") as pack:
        break_off(pack)
    assert list(tmp_path.iterdir()) == []
