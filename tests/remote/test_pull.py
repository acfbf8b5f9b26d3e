"""cockpit pull: a run brought home whole, over a line that breaks, and never half of one."""

import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.cli.pull import pull
from cockpit.remote.frames import MARK, AnyFrame, Ended, Files, FrameReader, Piece, encode
from cockpit.remote.parcel import Parcel, send
from cockpit.remote.pulled import Pulled, digest_of
from cockpit.runs.checksums import write_checksums
from cockpit.runs.folder import RunDir
from tests.remote.far import Far
from tests.runs.complete_checkpoint import write_checkpoint
from tests.runs.saved_adapter import make_adapter


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Far:
    """A host with a run that has saved an adapter and two checkpoints."""
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys.modules["cockpit.cli.pull"], "WAITS_S", 0.0)
    far = Far.at(tmp_path / "far", monkeypatch)
    run = far.record("demo-1")
    shutil.rmtree(run.adapter)
    (make_adapter(run.adapter) / "weights.bin").write_bytes(bytes(range(256)) * 4000)
    for step in (10, 20):
        write_checksums(write_checkpoint(run.checkpoints, step))
    write_checksums(run.adapter)
    return far


def there(far: Far) -> RunDir:
    return RunDir(far.home() / "runs" / "demo-1")


def asked(far: Far, run: str = "demo-1") -> str:
    return f"gpu1{far.place}/bin/cockpit:{run}"


def test_a_run_comes_home_and_both_ends_know(far: Far, capsys: pytest.CaptureFixture[str]) -> None:
    pull(asked(far))
    here = Path(capsys.readouterr().out.split()[0])
    assert here.name == "demo-1"
    for name in ("recipe.yaml", "events.jsonl", "adapter/weights.bin", "checkpoints/checkpoint-20/optimizer.pt"):
        assert (here / name).read_bytes() == (there(far).path / name).read_bytes(), name
    assert not (here / "checkpoints" / "checkpoint-10").exists()  # the newest alone
    assert not (here / "made-here").exists()
    known = Pulled.of(there(far))
    assert known is not None and known.digest == digest_of(RunDir(here)) != ""


def test_a_line_that_breaks_costs_only_what_was_not_here(far: Far, capsys: pytest.CaptureFixture[str]) -> None:
    far.cut(after_bytes=700_000)
    pull(asked(far))
    said = capsys.readouterr()
    assert "It goes on in 0 s." in said.err
    assert "of which" in said.out and "verified" in said.out
    assert sum(" parts " in one for one in far.asked()) == 2


def test_what_came_wrong_comes_again(far: Far) -> None:
    parcel = Parcel(far.host(), "demo-1")
    parcel.fetch(lambda: None)
    weights = parcel.partial / "adapter" / "weights.bin"
    content = bytearray(weights.read_bytes())
    content[5] ^= 1
    weights.write_bytes(content)
    assert parcel.wrong() == ["adapter/weights.bin"]
    parcel.fetch(lambda: None)
    assert parcel.wrong() == [] and weights.read_bytes() == (there(far).adapter / "weights.bin").read_bytes()


def test_what_is_damaged_at_the_host_is_not_kept(far: Far, capsys: pytest.CaptureFixture[str]) -> None:
    (there(far).adapter / "weights.bin").write_bytes(b"other")
    with pytest.raises(typer.Exit) as ended:
        pull(asked(far))
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == (
        "It is damaged where it was trained, and not kept: adapter: weights.bin is damaged: its SHA-256 is not the one "
        "it was saved with.\n"
    )
    assert Pulled.of(there(far)) is None


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("demo-1", "demo-1 names no host and run; write HOST:RUN, such as gpu1:last."),
        ("gpu1:", "gpu1: names no host and run; write HOST:RUN, such as gpu1:last."),
        ("-x:last", "-x is no host; write ssh://HOST"),
    ],
)
def test_what_names_no_host_and_run_is_refused(run: str, said: str) -> None:
    ended = CliRunner().invoke(cockpit, ["pull", "--", run])
    assert ended.exit_code == 2 and ended.output.startswith(said)


def sends(far: Far, *frames: AnyFrame) -> None:
    """Let the host say this, whatever it is asked."""
    (far.place / "said").write_bytes(MARK + b"".join(map(encode, frames)))
    (far.place / "bin" / "cockpit").write_text(f"#!/bin/sh\ncat {shlex.quote(str(far.place / 'said'))}\n")


@pytest.mark.parametrize(
    "name",
    ["{mine}", "../../mine", "adapter/../../../mine", ".", "", "adapter", "adapter/.", "adapter//x", "model/a\0b",
     "made-here", "engine.json", "commands/1.json"],
)  # fmt: skip
@pytest.mark.parametrize("size", [0, 3])
def test_a_host_reaches_no_file_but_those_of_the_run(
    far: Far, tmp_path: Path, name: str, size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "home" / "mine"
    mine.parent.mkdir(parents=True)
    mine.write_text("thesis")
    name = name.format(mine=mine)
    sends(far, Files(run="demo-1", files={name: (size, "0" * 64)}), Ended())
    with pytest.raises(typer.Exit) as ended:
        pull(asked(far))
    assert ended.value.exit_code == 2
    said = capsys.readouterr().err
    assert said.startswith("gpu1 wants to send ") and said.endswith(", which is no file of a run.\n")
    assert mine.read_text() == "thesis"
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file() and path != mine]


@pytest.mark.parametrize("run_id", ["", ".", "..", ".hidden", "a/b", "/tmp/x", "a\0b"])
def test_a_host_names_no_folder_but_a_runs(far: Far, run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    sends(far, Files(run=run_id, files={}), Ended())
    with pytest.raises(typer.Exit):
        pull(asked(far))
    assert capsys.readouterr().err.endswith(", which is no id.\n")


def test_names_that_stand_in_each_others_way_are_told(far: Far, capsys: pytest.CaptureFixture[str]) -> None:
    empty = {"adapter/a": (0, "0" * 64), "adapter/a/b": (0, "0" * 64)}
    sends(far, Files(run="demo-1", files=empty | {"recipe.yaml": (1, "0" * 64)}),
          Piece(run="demo-1", name="adapter/a", offset=0, data=b"x"), Ended())  # fmt: skip
    with pytest.raises(typer.Exit) as ended:
        pull(asked(far))
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err.startswith("It cannot be written here: ")


def test_a_checkpoint_that_goes_while_it_is_sent_is_told(far: Far) -> None:
    class Rotated(dict[str, int]):
        """What is there already; asked for the optimizer's state, the trainer has removed the checkpoint."""

        def get(self, name: str, default: int = 0) -> int:  # type: ignore[override]
            if name.endswith("optimizer.pt"):
                shutil.rmtree(there(far).checkpoints / "checkpoint-20")
            return 0

    out = far.place / "sent"
    sink = os.open(out, os.O_WRONLY | os.O_CREAT)
    send(there(far), Rotated(), sink)
    os.close(sink)
    assert FrameReader(after_mark=True).feed(out.read_bytes())[-1] == Ended(
        why="checkpoints/checkpoint-20/optimizer.pt could not be read any more (No such file or directory); pull again."
    )


def test_a_run_that_is_not_there_is_told(far: Far, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        pull(asked(far, "nosuch"))
    assert ended.value.exit_code == 2
    assert (
        capsys.readouterr().err == "No run is called 'nosuch'; 'cockpit runs' lists all 1, and 'last' is the newest.\n"
    )


def test_pulled_says_whether_what_is_saved_now_is_safe(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(far.home()))

    def said(*arguments: str) -> tuple[int, str]:
        ended = CliRunner().invoke(cockpit, ["pulled", "demo-1", *arguments])
        return ended.exit_code, ended.output

    assert said() == (1, "demo-1 was not brought home yet; do so from there: cockpit pull HOST:RUN\n")
    assert said("--wait", "soon") == (2, "--wait soon is no time; write 12:00:00, or 30 for seconds.\n")
    assert said("--digest", "0" * 64) == (1, "demo-1 has saved something else since; pull it again.\n")
    assert said("--digest", digest_of(there(far)), "--to", "laptop")[0] == 0
    assert said("--wait", "1")[1].startswith("demo-1 was brought to laptop whole, at ")
    (there(far).adapter / "weights.bin").write_bytes(b"later")
    write_checksums(there(far).adapter)
    assert said()[0] == 1
