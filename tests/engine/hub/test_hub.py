"""Models of the Hub: what is fetched, what is said when that fails, and that a token stays where it belongs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.hub.hub_server import COMMIT, TOKEN, HubServer

CODE = """
import json, sys
from cockpit.engine.errors import RunFailure
from cockpit.engine.hub.models import download, folder_of, tokenizer_folder
from cockpit.recipe.model import Model

model = Model(**json.loads(sys.argv[1]))
told = {"said": [], "progress": []}
try:
    if sys.argv[2:] == ["tokenizer"]:
        told["tokenizer"] = str(tokenizer_folder(model))
        raise RunFailure("asked for no more")
    download(model, told["said"].append, lambda done, total: told["progress"].append((done, total)))
    told["folder"] = str(folder_of(model))
except RunFailure as failure:
    told["failure"], told["advice"] = str(failure), failure.advice
told["torch"] = "torch" in sys.modules
print("TOLD", json.dumps(told))
"""


@pytest.fixture
def hub(model: Path, tmp_path: Path) -> Iterator[HubServer]:
    """The tiny model on a Hub of its own, beside files that nobody needs."""
    folder = tmp_path / "served"
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "pytorch_model.bin").write_bytes(b"not wanted")
    (folder / "modeling_tiny.py").write_text("raise SystemExit")
    server = HubServer(folder)
    yield server
    server.close()


@pytest.fixture
def environment(hub: HubServer, tmp_path: Path) -> dict[str, str]:
    """Of a process that knows that Hub alone, and has a token for it."""
    return hub.environment(tmp_path / "hf")


def fetched(environment: dict[str, str], name: str = "tiny/model", *only: str, **fields: object) -> dict[str, object]:
    """What a download told, in a process of its own: the Hub's library reads its settings at import."""
    asked = json.dumps({"name_or_path": name, **fields})
    done = subprocess.run(
        [sys.executable, "-c", CODE, asked, *only], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("TOLD "))
    found: dict[str, object] = json.loads(line[5:])
    return found


def test_what_is_fetched(hub: HubServer, environment: dict[str, str], model: Path) -> None:
    told = fetched(environment)
    folder = Path(str(told["folder"]))
    assert folder.name == COMMIT
    assert not told["torch"]
    assert {file.name for file in folder.iterdir()} == {file.name for file in model.iterdir()}
    assert (folder / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    done, total = told["progress"][-1]  # type: ignore[index]
    assert done == total == sum(file.stat().st_size for file in model.iterdir())
    assert [path for _, path, token in hub.asked if token != f"Bearer {TOKEN}"] == []
    asked = len(hub.asked)
    again = fetched(environment)
    assert again["folder"] == told["folder"]
    asked += 2
    assert len(hub.asked) == asked, "what is here is not asked for again, only what the newest is"
    offline = fetched(environment | {"HF_HUB_OFFLINE": "1"})
    assert (offline["folder"], len(hub.asked)) == (told["folder"], asked)
    hub.refusals["tiny/model"] = (503, "")
    cut_off = fetched(environment)
    assert cut_off["folder"] == told["folder"]
    assert "The copy in the Hub's cache is used as it is." in str(cut_off["said"])


def test_truncated_weights_in_the_cache_are_fetched_again(
    hub: HubServer, environment: dict[str, str], model: Path
) -> None:
    weights = Path(str(fetched(environment)["folder"])) / "model.safetensors"
    whole = (model / "model.safetensors").read_bytes()
    weights.resolve().write_bytes(whole[:-1000])
    asked = len(hub.asked)
    assert "failure" not in fetched(environment)
    assert weights.read_bytes() == whole
    assert {path.rpartition("/")[2] for _, path, _ in hub.asked[asked:]} >= {"model.safetensors"}


def test_a_tokenizer_is_fetched_without_weights_and_the_model_goes_on_from_there(
    hub: HubServer, environment: dict[str, str], model: Path
) -> None:
    told = fetched(environment, "tiny/model", "tokenizer")
    folder = Path(str(told["tokenizer"]))
    assert {file.name for file in folder.iterdir()} == {file.name for file in model.iterdir()} - {"model.safetensors"}
    asked = len(hub.asked)
    offline = fetched(environment | {"HF_HUB_OFFLINE": "1"}, "tiny/model", "tokenizer")
    assert (offline["tokenizer"], len(hub.asked)) == (told["tokenizer"], asked)
    assert fetched(environment)["folder"] == told["tokenizer"]
    assert (folder / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("name", "changes", "failure"),
    [
        ("tiny/none", {}, "There is no model tiny/none on the Hub"),
        ("tiny/model", {"HF_HUB_OFFLINE": "1"}, "The tokenizer of tiny/model is not in the Hub's cache, and"),
    ],
)
def test_a_tokenizer_that_cannot_be_fetched(
    environment: dict[str, str], name: str, changes: dict[str, str], failure: str
) -> None:
    assert str(fetched(environment | changes, name, "tokenizer")["failure"]).startswith(failure)


def test_code_is_fetched_only_where_it_is_trusted(environment: dict[str, str]) -> None:
    told = fetched(environment, trust_remote_code=True, revision=COMMIT)
    assert (Path(str(told["folder"])) / "modeling_tiny.py").is_file()


@pytest.mark.parametrize(
    ("name", "fields", "failure", "advice"),
    [
        ("tiny/gated", {}, "tiny/gated is gated: its makers give access on request.", "Ask at {hub}/tiny/gated, then"),
        ("tiny/none", {}, "There is no model tiny/none on the Hub ({hub}), or it is private", "hf auth login"),
        ("tiny/model", {"revision": "v9"}, "tiny/model has no revision v9 on the Hub.", "Give a branch"),
        ("tiny/broken", {}, "The Hub ({hub}) answers with status 503 for tiny/broken.", "Try again later."),
    ],
)
def test_what_the_hub_refuses(
    hub: HubServer, environment: dict[str, str], name: str, fields: dict[str, str], failure: str, advice: str
) -> None:
    told = fetched(environment, name, **fields)
    assert str(told["failure"]).startswith(failure.format(hub=hub.endpoint))
    assert advice.format(hub=hub.endpoint) in str(told["advice"])
    assert TOKEN not in json.dumps(told)


def test_no_network_and_nothing_cached(environment: dict[str, str]) -> None:
    nobody = "http://127.0.0.1:9"
    told = fetched(environment | {"HF_ENDPOINT": nobody})
    assert str(told["failure"]).startswith(f"The Hub ({nobody}) cannot be reached (")
    through_a_login = fetched(environment | {"HF_ENDPOINT": "http://ada:lovelace@127.0.0.1:9"})
    assert str(through_a_login["failure"]).startswith(f"The Hub ({nobody}) cannot be reached (")
    assert "lovelace" not in json.dumps(through_a_login)
    offline = fetched(environment | {"HF_HUB_OFFLINE": "1"})
    assert "HF_HUB_OFFLINE disables downloading" in str(offline["failure"])


def test_a_disk_that_is_too_small(hub: HubServer, environment: dict[str, str]) -> None:
    hub.sizes["model.safetensors"] = 1 << 60
    told = fetched(environment)
    assert str(told["failure"]).startswith("tiny/model needs 1,048,576.0 TiB more on the disk of ")
    assert "HF_HOME" in str(told["advice"])


def test_an_adapter_on_the_hub_is_no_model(hub: HubServer, environment: dict[str, str]) -> None:
    (hub.model / "config.json").rename(hub.model / "adapter_config.json")
    assert "holds an adapter, not a model" in str(fetched(environment)["failure"])


def test_a_base_whose_folder_was_moved(environment: dict[str, str], tmp_path: Path) -> None:
    told = fetched(environment | {"HF_HUB_OFFLINE": "1"}, f"{tmp_path}/moved", "tokenizer")
    assert told["failure"] == f"The model {tmp_path}/moved cannot be loaded: there is no such folder."
    assert "name its new place with --model" in str(told["advice"])
