"""Runs named, tagged, found, sorted and removed by commands; none that lives is removed."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import Evaluated
from cockpit.runs.best import best_held_out
from cockpit.runs.folder import RunDir
from cockpit.runs.label import Label, changing
from cockpit.runs.liveness import EngineIdentity
from tests.recording import Ending, record
from tests.runs.complete_checkpoint import write_checkpoint


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cockpit, arguments)


def ended(run_id: str, ending: Ending = "completed", until: int | None = None) -> RunDir:
    run = record(runs_folder(), run_id=run_id, ending=ending, until=until, steps=300)
    if ending != "going":
        run.write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("unsloth"), pid=2**22 + 1))
    return run


def ids(*arguments: str) -> list[str]:
    return [one["id"] for one in json.loads(call("runs", *arguments, "--json").stdout)]


def test_a_run_is_found_by_what_it_was_called(tmp_path: Path) -> None:
    first = ended("one-1120-2349")
    assert call("runs", "nothing").stdout == "The only run does not have all of that.\n"
    second = ended("two-1120-2349", "failed", 40)
    assert (
        call("label", "one", "--name", "first try", "--tag", "lr", "--tag", "good", "--note", "learns").exit_code == 0
    )
    assert call("label", "one", "--untag", "lr").stdout == "one-1120-2349: first try; good\nlearns\n"
    assert Label.of(first) == Label(name="first try", tags=("good",), note="learns")
    assert ids("first") == ids("learns") == ids("--tag", "good") == [first.id]
    assert ids("failed") == [second.id]
    assert call("runs", "nothing").stdout == "None of 2 runs has all of that.\n"
    assert "first try #good" in call("runs").stdout
    assert call("label", "one", "--tag", "a b").exit_code == 2
    absent = call("label", "one", "--untag", "lr", "--name", "other")
    assert (absent.exit_code, absent.stderr) == (2, "one-1120-2349 has no tag 'lr' that could be taken away.\n")
    assert Label.of(first).name == "first try"
    by_name = call("delete", "first try", "--yes")
    assert by_name.exit_code == 2 and by_name.stderr.startswith("'first try' is the name of one-1120-2349, and")
    assert call("delete", "", "--yes").exit_code == 2
    assert call("label", "one", "--name", "", "--untag", "good", "--note", "").exit_code == 0
    assert not (first.path / "label.json").exists()


def test_runs_are_sorted_what_is_not_known_last() -> None:
    long, short, none = ended("long"), ended("short", "stopped", 60), ended("none", "failed", 0)
    assert ids("--sort", "loss") == [long.id, short.id, none.id]
    assert ids("--sort", "best") == [long.id, short.id, none.id]
    assert ids("--sort", "steps") == [long.id, short.id, none.id]


def test_an_order_that_is_none_is_refused() -> None:
    refused = call("runs", "--sort", "bogus")
    assert refused.exit_code == 2
    assert refused.stderr == "--sort bogus is no order; give started, loss, held-out, best, steps or state.\n"


def test_of_two_who_change_a_label_none_undoes_the_other() -> None:
    run = ended("one-1120-2349")
    with ThreadPoolExecutor(1) as pool:
        with changing(run) as was:
            other = pool.submit(call, "label", "one", "--tag", "second")
            time.sleep(0.1)  # time for it to read the label, were there no lock
            msgspec.structs.replace(was, tags=("first",)).write(run)
        assert other.result(timeout=60).exit_code == 0
    assert Label.of(run).tags == ("first", "second")


def test_the_best_held_out_loss_is_not_the_last() -> None:
    run = ended("one")
    log = EventWriter(run.events)
    log.append(Evaluated(step=400, metrics={"eval_loss": 0.01}, duration_s=1))
    log.append(Evaluated(step=500, metrics={"eval_loss": 0.9}, duration_s=1))
    log.append(Evaluated(step=600, metrics={"eval_loss": None}, duration_s=1))
    log.close()
    assert best_held_out(run) == (0.01, 400)
    (told,) = json.loads(call("runs", "--json").stdout)
    assert (told["best_held_out"], told["best_step"]) == (0.01, 400)
    assert "0.0100 at 400" in call("runs").stdout


def test_removing_tells_the_room_and_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    run = ended("one")
    write_checkpoint(run.checkpoints, 40)
    refused = call("delete", "one")
    assert refused.exit_code == 1 and run.path.exists()
    assert "with its adapter and 1 checkpoint" in refused.stdout and "--yes removes without asking" in refused.stderr
    removed = call("delete", "one", "--yes")
    assert removed.exit_code == 0 and not run.path.exists()
    assert removed.stdout.splitlines()[-1].startswith("Removed this run: ")
    assert list(runs_folder().iterdir()) == []


def test_a_live_run_is_never_removed() -> None:
    going, done = ended("going", "going", 40), ended("done")
    refused = call("delete", "going", "done", "--yes")
    assert refused.exit_code == 1
    assert refused.stderr == "The run going is still going; stop it first.\n"
    assert going.path.exists() and done.path.exists()


def test_a_damaged_label_is_none() -> None:
    run = ended("one")
    for content in (b"{", b'{"tags": 3}', b"\xff", b'{"name": "\\u001b[31mred"}'):
        (run.path / "label.json").write_bytes(content)
        assert Label.of(run).name in ("", "red")
        assert call("runs").exit_code == 0
