"""cockpit pack, and a training from what it has packed where every socket is forbidden, and what was packed is gone."""

from __future__ import annotations

import shutil
import sys
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.checksums import damage
from cockpit.runs.folder import all_runs
from cockpit.runs.summary import RunSummary
from tests.engine import tiny
from tests.engine.warm_stack import WarmStack

FORBIDDEN = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")


def forbid_sockets() -> None:
    """Whatever would use one raises, in this process for ever."""

    def forbid(event: str, arguments: tuple[object, ...]) -> None:
        if event in FORBIDDEN:
            raise PermissionError(f"{event} is forbidden here: {arguments}")

    sys.addaudithook(forbid)


def test_a_pack_trains_where_sockets_are_forbidden(
    tmp_path: Path, model: Path, rows: Path, plain_stack: WarmStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its train.sh does it: by an engine, which works in the run's folder and not in the pack."""
    here = tmp_path / "here"
    shutil.copytree(model, here / "base")
    shutil.copy(rows, here / "train.jsonl")
    shutil.copy(rows, here / "held-out.jsonl")
    changes = {"training__max_steps": 2, "hardware__gpu": "none"}
    recipe = here / "mine.yaml"
    recipe.write_text(tiny.recipe_text(here / "base", here / "train.jsonl", backend="transformers", **changes))
    document = RecipeDocument.load(recipe)
    document.set("data.eval_rows", 0)
    document.set("data.validation", {"name_or_path": str(here / "held-out.jsonl")})
    document.save(recipe)

    packed = CliRunner().invoke(cockpit, ["pack", str(recipe), "--out", str(tmp_path / "it.tar"), "--no-wheels"])
    assert packed.exit_code == 0, packed.output
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".it")] == [], "nothing else is left"
    shutil.rmtree(here)
    with tarfile.open(tmp_path / "it.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    pack = tmp_path / "it"
    assert damage(pack) == ""
    names = {str(path.relative_to(pack)) for path in pack.rglob("*") if path.is_file()}
    given = {"recipe.yaml", "train.sh", "README.md", "SHA256SUMS", "data/1/train.jsonl", "data/2/held-out.jsonl"}
    assert given <= names and "model/model.safetensors" in names and not any("wheels" in name for name in names)
    assert str(here) not in (pack / "recipe.yaml").read_text()

    monkeypatch.chdir(pack)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with plain_stack.starts_engines(forbid_sockets):
        trained = CliRunner().invoke(cockpit, ["train", "recipe.yaml"])
    assert trained.exit_code == 0, trained.output
    (run,) = all_runs()
    summary = RunSummary.of(run)
    assert summary.state == "completed" and summary.eval_loss is not None
    assert (run.adapter / "adapter_model.safetensors").is_file()
