"""A run that is pulled again: it takes the place of the one before, and nothing that was made here is lost."""

import fcntl
import shutil
from pathlib import Path

import pytest
import typer

from cockpit.cli.pull import pull
from cockpit.remote.pulled import Pulled
from cockpit.remote.replacing import put_in_place
from cockpit.runs.checksums import write_checksums
from cockpit.runs.folder import RunDir, all_runs
from tests.remote.far import Far
from tests.runs.saved_adapter import make_adapter


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Far:
    """A host whose run was pulled, and has saved other weights since."""
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))
    far = Far.at(tmp_path / "far", monkeypatch)
    run = far.record("demo-1")
    shutil.rmtree(run.adapter)
    save(make_adapter(run.adapter), b"first")
    pull(asked(far))
    save(run.adapter, b"later")
    return far


@pytest.fixture
def here(tmp_path: Path) -> RunDir:
    """The run at home."""
    return RunDir(tmp_path / "home" / "runs" / "demo-1")


def save(adapter: Path, weights: bytes) -> None:
    (adapter / "weights.bin").write_bytes(weights)
    write_checksums(adapter)


def asked(far: Far) -> str:
    return f"gpu1{far.place}/bin/cockpit:demo-1"


def files(run: RunDir) -> dict[str, bytes]:
    return {str(path.relative_to(run.path)): path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def refused(far: Far, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    with pytest.raises(typer.Exit) as ended:
        pull(asked(far))
    assert ended.value.exit_code == 1
    return capsys.readouterr().err


def test_the_new_one_takes_its_place(far: Far, here: RunDir) -> None:
    pull(asked(far))
    assert (here.adapter / "weights.bin").read_bytes() == b"later"
    assert sorted(path.name for path in here.path.parent.iterdir()) == ["demo-1"]


def test_what_was_made_here_goes_with_it(far: Far, here: RunDir) -> None:
    made = {"label.json": b'{"name": "best"}', "exports/merged/model.bin": b"merged", "votes.jsonl": b"{}\n"}
    for name, content in made.items():
        (here.path / name).parent.mkdir(parents=True, exist_ok=True)
        (here.path / name).write_bytes(content)
    (here.path / "exports" / "newest").symlink_to("merged")
    for _ in range(2):
        pull(asked(far))
        assert {name: (here.path / name).read_bytes() for name in made} == made
        assert (here.path / "exports" / "newest").readlink() == Path("merged")
        assert (here.adapter / "weights.bin").read_bytes() == b"later"
        assert [run.id for run in all_runs()] == ["demo-1"]


@pytest.mark.parametrize("name", ["adapter/weights.bin", "checkpoints/checkpoint-9/trainer_state.json", "chat.jsonl"])
def test_what_does_not_fit_stays_as_a_run_of_its_own(
    far: Far, here: RunDir, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here.path / name).parent.mkdir(parents=True, exist_ok=True)
    (here.path / name).write_bytes(b"ours\n")
    (far.home() / "runs" / "demo-1" / "chat.jsonl").write_bytes(b"theirs\n")
    before = files(here)
    pull(asked(far))
    assert "What was changed here since it was pulled last is kept as the run demo-1-here.\n" in capsys.readouterr().out
    assert files(RunDir(here.path.with_name("demo-1-here"))) == before
    assert (here.adapter / "weights.bin").read_bytes() == b"later" and here.chat.read_bytes() == b"theirs\n"


def test_a_run_of_our_own_is_left_though_somebody_has_pulled_it(
    far: Far, here: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "A run demo-1 is here already, and not by a pull; it was left as it is.\n"
    Pulled(at=1.0, to="gpu1", digest="0" * 64).write(here)  # as `cockpit pulled --digest` does where a run was trained
    before = files(here)
    assert refused(far, capsys) == said and files(here) == before
    (here.path / "pulled.json").unlink()
    assert refused(far, capsys) == said


def test_another_hosts_run_is_left(far: Far, here: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    Pulled(at=1.0, to="bob@gpu1", digest="", files={"recipe.yaml": (1, "")}).write(here)
    before = files(here)
    assert refused(far, capsys) == "A run demo-1 is here already, pulled from bob@gpu1; it was left as it is.\n"
    assert files(here) == before


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        (
            "engine.lock",
            "An engine has the run demo-1 here; stop it, or leave its chat (cockpit send demo-1 unload).\n",
        ),
        ("export.lock", "The run demo-1 is being exported here; pull again once that has ended.\n"),
    ],
)
def test_a_run_that_is_in_use_is_left(
    far: Far, here: RunDir, lock: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with (here.path / lock).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert refused(far, capsys) == said
    assert (here.adapter / "weights.bin").read_bytes() == b"first"


def test_a_pull_that_was_killed_between_both_has_lost_nothing(far: Far, here: RunDir) -> None:
    (here.path / "label.json").write_bytes(b'{"name": "best"}')
    here.path.rename(here.path.with_name(".before-demo-1"))
    pull(asked(far))
    assert (here.path / "label.json").read_bytes() == b'{"name": "best"}'
    assert (here.adapter / "weights.bin").read_bytes() == b"later"
    assert sorted(path.name for path in here.path.parent.iterdir()) == ["demo-1"]


def test_what_cannot_be_put_in_its_place_leaves_the_one_before(far: Far, here: RunDir) -> None:
    before = files(here)
    with pytest.raises(OSError):
        put_in_place(here.path.with_name(".pull-nothing"), here, {})
    assert files(here) == before and [run.id for run in all_runs()] == ["demo-1"]
